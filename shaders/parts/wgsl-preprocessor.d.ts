declare module 'wgsl-preprocessor/wgsl-preprocessor.js' {
  /** The package ships no types: a tagged template that obeys #if, #elif, #else and #endif. */
  export const wgsl: (strings: TemplateStringsArray, ...values: readonly unknown[]) => string;
}
