/** The graph: nodes and tensors, their shapes, and the launches that ops describe. */
export * from './errors.js';
export * from './graph.js';
export * from './kernel.js';
export * from './maps.js';
export * from './shape.js';
