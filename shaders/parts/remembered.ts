/** Texts of kernels are made once: a graph for another image size asks for the same ones, and a long one takes milliseconds. */

/** The value of `key` in `values`; the first time `make` gives it. */
export function keep<K, V>(values: { get(key: K): V | undefined; set(key: K, value: V): unknown }, key: K, make: () => V): V {
  const known = values.get(key);
  if (known !== undefined) return known;
  const made = make();
  values.set(key, made);
  return made;
}

/**
 * `make` with its texts kept by `key(...args)`, which must differ if the texts do. It is called for every launch of every graph,
 * so the key must not hold a whole kernel.
 */
export function remembered<A extends readonly unknown[]>(
  key: (...args: A) => string, make: (...args: A) => string,
): (...args: A) => string {
  const texts = new Map<string, string>();
  return (...args) => keep(texts, key(...args), () => make(...args));
}

/** The same for a text made from a kernel, which is a key of its own: a string keeps its hash, a copy of it does not. */
export function rewriter<A extends readonly unknown[]>(
  key: (...args: A) => string, rewrite: (code: string, ...args: A) => string,
): (code: string, ...args: A) => string {
  const kernels = new Map<string, Map<string, string>>();
  return (code, ...args) => {
    const texts = keep(kernels, code, () => new Map<string, string>());
    return keep(texts, key(...args), () => rewrite(code, ...args));
  };
}
