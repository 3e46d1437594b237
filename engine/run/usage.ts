/** GPUBufferUsage and GPUTextureUsage as numbers: a Dawn module whose globals are not installed has no such names. */
export const MAP_READ = 1, COPY_SRC = 4, COPY_DST = 8, UNIFORM = 64, STORAGE = 128;
export const TEXTURE_COPY_DST = 2, TEXTURE_BINDING = 4, STORAGE_BINDING = 8, RENDER_ATTACHMENT = 16;
