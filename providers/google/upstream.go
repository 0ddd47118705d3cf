package google

import "groupsyncd/providers"

// Upstreams names the servers that are asked.
func (c *Config) Upstreams() []providers.Upstream {
	if c.URL != "" {
		return []providers.Upstream{{URL: c.URL}}
	}
	return []providers.Upstream{{URL: apiURL}, {URL: tokenURL}}
}
