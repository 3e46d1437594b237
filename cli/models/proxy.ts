/** The proxy of a request, by the variables that curl and others read. */

/** The proxy's address for `url`, undefined for a direct connection. Lower-case variables take precedence, NO_PROXY over all. */
export function proxyFor(url: URL, env: NodeJS.ProcessEnv = process.env): string | undefined {
  const of = (name: string): string | undefined => env[name.toLowerCase()] || env[name.toUpperCase()] || undefined;
  const proxy = of(url.protocol === 'https:' ? 'https_proxy' : 'http_proxy') ?? of('all_proxy');
  if (!proxy || isExempt(url, of('no_proxy') ?? '')) return undefined;
  return proxy.includes('://') ? proxy : `http://${proxy}`;
}

/** `no_proxy` lists hosts, each with its subdomains, `host:port`, or `*` for everything. */
function isExempt({ hostname, port, protocol }: URL, list: string): boolean {
  const actualPort = port || (protocol === 'https:' ? '443' : '80');
  return list.split(/[\s,]+/).filter(Boolean).some((entry) => {
    if (entry === '*') return true;
    const [, host, onlyPort] = /^\*?\.?(.*?)(?::(\d+))?$/.exec(entry.toLowerCase())!;
    const isHost = hostname === host || hostname.endsWith(`.${host!}`);
    return isHost && (onlyPort === undefined || onlyPort === actualPort);
  });
}
