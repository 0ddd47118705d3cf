package entra

import "groupsyncd/providers"

// Upstreams names the servers that are asked.
func (c *Config) Upstreams() []providers.Upstream {
	graph, login, err := c.addresses()
	if err != nil {
		return nil // Check has said what is wrong.
	}
	return []providers.Upstream{{URL: graph.String(), CAFile: string(c.CAFile)}, {URL: login.String(), CAFile: string(c.CAFile)}}
}
