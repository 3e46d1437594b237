/** What a pickle's names and calls give. Nothing of Python is run: what is not known here becomes data without behaviour. */

/** A Python function or class that weights are made with, and what replaces it. */
export class Callable {
  /** @param call must not throw: whether its result is needed is not known yet */
  constructor(readonly name: string, readonly call: (args: readonly unknown[]) => unknown) {}
}

/**
 * Stands for a Python class, for an object of it, or for the result of a function. It keeps what the pickle puts into it, so that
 * weights inside are found, and is an error only where a tensor is needed.
 */
export class StandIn {
  /** Items of a subclass of dict. */
  items?: Map<unknown, unknown>;
  /** Elements of a list, a deque or a set. */
  elements?: unknown[];
  /** Attributes: a Map, or a tuple of Maps. */
  state?: unknown;

  /** @param name the Python name. @param args those of the call */
  constructor(readonly name: string, readonly args: readonly unknown[] = []) {}
}

/** The result of calling what a name gave; undefined for what cannot be called. */
export function called(callee: unknown, args: readonly unknown[]): { readonly value: unknown } | undefined {
  if (callee instanceof Callable) return { value: callee.call(args) };
  return callee instanceof StandIn ? { value: new StandIn(callee.name, args) } : undefined;
}
