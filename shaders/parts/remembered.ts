/**
 * Texts of kernels are made once: a graph for another image size asks for the same ones again, and a long one takes milliseconds
 * to write.
 */

/** The value of `key` in `values`; the first time `make` gives it. */
export function keep<K, V>(values: { get(key: K): V | undefined; set(key: K, value: V): unknown }, key: K, make: () => V): V {
  const known = values.get(key);
  if (known !== undefined) return known;
  const made = make();
  values.set(key, made);
  return made;
}

/**
 * `make` with its texts kept by `key(...args)`, which must differ wherever the texts do. The key is made for every launch of
 * every graph, so it must not hold a whole kernel.
 */
export function remembered<A extends readonly unknown[]>(key: (...args: A) => string, make: (...args: A) => string): (...args: A) => string {
  const texts = new Map<string, string>();
  return (...args) => keep(texts, key(...args), () => make(...args));
}

/**
 * The same for a kernel made from another one. Its text is a key of its own: a string keeps its hash, while a copy of it must be
 * hashed again.
 */
export function rewriter<A extends readonly unknown[]>(
  key: (...args: A) => string, rewrite: (code: string, ...args: A) => string,
): (code: string, ...args: A) => string {
  const kernels = new Map<string, Map<string, string>>();
  return (code, ...args) => keep(keep(kernels, code, () => new Map<string, string>()), key(...args), () => rewrite(code, ...args));
}
