package providers

// Upstream is a server that a source asks over HTTP.
type Upstream struct {
	// URL is its address; CAFile names certificates to trust beside those of the system, or is
	// empty.
	URL, CAFile string
}

// Upstreamer is the ability of a Config to name the servers that it asks over HTTP, for
// doctor, which looks at names, proxies, certificates and clocks alike for all of them.
type Upstreamer interface {
	Upstreams() []Upstream
}
