/** The value of `key`, made and kept on first use: `Map.prototype.getOrInsertComputed`, which Node 20 does not have. */
export function getOrInsert<K, V>(map: Map<K, V>, key: K, make: () => V): V {
  const value = map.get(key) ?? make();
  map.set(key, value);
  return value;
}
