package providers

import (
	"fmt"

	"groupsyncd/internal/httpx"
)

// InClear warns of addresses to which a credential crosses a network without TLS. Servers that
// people run themselves may be reached so, as Open WebUI may: behind a proxy, or in a network
// of containers, there is often no other way.
func InClear(addresses ...string) []Finding {
	var list []Finding
	for _, text := range addresses {
		u, err := httpx.ParseBase(text)
		if err != nil || !httpx.InClear(u) {
			continue
		}
		list = append(list, Finding{
			Level: Warning, Check: "tls",
			Message: fmt.Sprintf("the credential crosses the network in the clear to %s: whoever is on the way can take it, and change who is in which group", u),
			Remedy:  "write https://, with ca_file if the certificate is of your own authority; or see that nobody else is in that network",
		})
	}
	return list
}
