package oidc

import (
	"cmp"

	"groupsyncd/providers"
)

// Upstreams names the servers that are asked.
func (c *Config) Upstreams() []providers.Upstream {
	return []providers.Upstream{{URL: cmp.Or(c.Discovery, c.Issuer), CAFile: string(c.CAFile)}}
}
