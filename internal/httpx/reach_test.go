package httpx

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"groupsyncd/internal/fault"
)

// TestReach judges addresses that a name was resolved to; which those are is not ours to say
// in a test, so it asks the judge itself.
func TestReach(t *testing.T) {
	t.Parallel()
	never := []string{
		"169.254.169.254", "169.254.170.2", "[fe80::1]", "[fe80::1%1]", "[fd00:ec2::254]", "[fd20:ce::254]", "100.100.100.200", "168.63.129.16", "192.0.0.192",
		"[::ffff:169.254.169.254]", "[64:ff9b::a9fe:a9fe]", "[2002:a9fe:a9fe::1]", "[::169.254.169.254]", "0.0.0.0", "0.1.2.3", "[::]", "224.0.0.1", "[ff02::1]", "255.255.255.255",
	}
	inside := []string{
		"10.1.2.3", "172.16.0.1", "192.168.1.1", "127.0.0.1", "127.8.9.10", "[::1]", "[fd12::1]", "[fc00::1]", "100.64.0.1", "198.18.0.1", "192.0.0.8",
		"[::ffff:10.1.2.3]", "[64:ff9b::a01:203]", "[64:ff9b::7f00:1]", "[64:ff9b:1::a01:203]", "[2002:a01:203::1]", "[::10.1.2.3]", "[fec0::1]",
	}
	public := []string{"8.8.8.8", "172.32.0.1", "100.128.0.1", "[2001:4860::8888]", "[64:ff9b::808:808]", "[2002:808:808::1]", "[::ffff:8.8.8.8]"}
	for _, private := range []bool{false, true} {
		r := Reach{Base: &url.URL{Scheme: "https", Host: "id.example.org"}, Private: private}
		judge := func(list []string, good bool) {
			for _, ip := range list {
				for _, name := range []string{"id.example.org", "other.example.org", "localhost"} {
					if err := r.allowed(name, ip+":443"); (err == nil) != good || err != nil && !errors.Is(err, errPrivate) {
						t.Errorf("private %v, %s leads to %s: %v", private, name, ip, err)
					}
				}
			}
		}
		judge(never, false)
		judge(inside, private)
		judge(public, true)
		// What somebody wrote into the configuration is meant.
		for _, ip := range append(never, inside...) {
			literal := Reach{Base: &url.URL{Scheme: "http", Host: ip + ":80"}, Private: private}
			name := literal.Base.Hostname()
			if err := literal.allowed(name, ip+":80"); err != nil {
				t.Errorf("configured %s: %v", ip, err)
			}
			if err := literal.allowed("id.example.org", ip+":80"); (err == nil) != (private && !strings.Contains(strings.Join(never, " "), ip)) {
				t.Errorf("a name that leads to the configured %s: %v", ip, err)
			}
		}
		local := Reach{Base: &url.URL{Scheme: "http", Host: "localhost:8080"}, Private: private}
		for ip, good := range map[string]bool{"127.0.0.1": true, "[::1]": true, "10.0.0.1": private, "169.254.169.254": false} {
			if err := local.allowed("localhost", ip+":8080"); (err == nil) != good {
				t.Errorf("localhost leads to %s: %v", ip, err)
			}
		}
	}
	if err := (Reach{Base: &url.URL{Host: "h"}}).allowed("h", "no address"); err == nil {
		t.Error("what is no address is allowed")
	}
}

// TestANameThatLeadsInsideIsNotAsked connects: localhost is the one name of which every
// machine knows where it leads.
func TestANameThatLeadsInsideIsNotAsked(t *testing.T) {
	t.Parallel()
	asked := 0
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked++ }))
	defer server.Close()
	_, port, _ := strings.Cut(strings.TrimPrefix(server.URL, "http://"), ":")
	// The API is somewhere else; this is what a server-given name, or a token endpoint, may be.
	transport := Reach{Base: &url.URL{Scheme: "https", Host: "id.example.org"}}.Transport()
	transport.Proxy = nil
	defer transport.CloseIdleConnections()
	base := &url.URL{Scheme: "http", Host: "localhost:" + port}
	session := New(Options{Name: "x", Base: base, Transport: transport}).Session()
	_, err := session.Do(t.Context(), Request{Method: http.MethodGet, Path: "/x", Op: "read it", Repeat: true})
	if fault.KindOf(err) != fault.Invalid || asked != 0 || fault.HintOf(err) == "" || !strings.Contains(err.Error(), "localhost leads to ") {
		t.Errorf("%v after %d requests (hint %q)", err, asked, fault.HintOf(err))
	}
	if requests, _ := session.Spent(); requests != 1 {
		t.Errorf("it was tried %d times", requests)
	}
	own := Reach{Base: base}.Transport()
	own.Proxy = nil
	defer own.CloseIdleConnections()
	if _, err := New(Options{Name: "x", Base: base, Transport: own}).Session().Do(t.Context(), Request{Method: http.MethodGet, Path: "/x", Op: "read it"}); err != nil || asked != 1 {
		t.Errorf("configured by that name: %v", err)
	}
}

func TestAProxyMayBeInside(t *testing.T) {
	var through []string
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		through = append(through, r.URL.Host)
		w.Header().Set("Content-Type", "application/json")
	}))
	defer proxy.Close()
	// The environment is read once in a process, so the proxy is given as the transport has it.
	at, err := url.Parse(proxy.URL)
	if err != nil {
		t.Fatal(err)
	}
	r := Reach{Base: &url.URL{Scheme: "http", Host: "id.example.org"}, proxy: http.ProxyURL(at)}
	transport := r.Transport()
	defer transport.CloseIdleConnections()
	client := New(Options{Name: "x", Base: r.Base, Transport: transport})
	if _, err := client.Session().Do(t.Context(), Request{Method: http.MethodGet, Path: "/x", Op: "read it"}); err != nil || len(through) != 1 || through[0] != "id.example.org" {
		t.Errorf("%v, through the proxy %v", err, through)
	}
	direct := Reach{Base: r.Base, Dial: dialer(nil).DialContext}.Transport()
	if direct.Proxy != nil {
		t.Error("connections in memory go through a proxy")
	}
}
