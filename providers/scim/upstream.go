package scim

import "groupsyncd/providers"

// Upstreams names the servers that are asked.
func (c *Config) Upstreams() []providers.Upstream {
	return []providers.Upstream{{URL: c.URL, CAFile: string(c.CAFile)}}
}
