package main

// setup gives the guards of what is given away or printed: support bundles and first
// configurations name nobody, and hold no secret.
func setup() []mutation {
	const (
		names  = "internal/pseudonym/pseudonym.go"
		begin  = "app/beginningldap.go"
		oauth  = "app/beginningoauth.go"
		health = "server/livez.go"
	)
	list := []mutation{
		{name: "whoever is called like one of our words is hidden", file: names, pkg: "./internal/pseudonym", old: "return n.words[word] && !n.named[lower] ||", new: "return n.words[word] || lower == \"\" ||", run: "TestNamesLeave"},
		{name: "a mail address goes", file: names, pkg: "./internal/pseudonym", old: "case strings.Contains(t, \"@\"):\n\t\treturn n.Mark(t)", new: "case strings.Contains(t, \"@\"):\n\t\treturn t", run: "TestNamesLeave"},
		{name: "a DN goes", file: names, pkg: "./internal/pseudonym", old: "name == strings.ToUpper(name) && n.plain(name)", new: "name != \"\"", run: "TestNamesLeave"},
		{name: "an address of a network goes", file: names, pkg: "./internal/pseudonym", old: "case address(t):\n\t\treturn n.Mark(t)", new: "case address(t):\n\t\treturn t", run: "TestNamesLeave"},
		{name: "a network goes", file: names, pkg: "./internal/pseudonym", old: "case n.beside.MatchString(t):", new: "case false:", run: "TestNamesLeave"},
		{name: "each bundle has its own key", file: names, pkg: "./internal/pseudonym", old: "rand.Read(n.key)", new: "rand.Read(nil)", run: "TestEqualNamesStayEqualInOneBundleOnly"},
		{name: "no password of a begun configuration crosses a network in clear", file: begin, pkg: "./app", old: "!l.TLS && !httpx.Loopback(l.Host)", new: "!l.TLS && httpx.Loopback(l.Host)", run: "TestPasswordsOfABegunConfiguration"},
		{name: "what stands before an issuer's host is left out", file: oauth, pkg: "./app", old: "u.User, u.RawQuery, u.Fragment = nil, \"\", \"\"", new: "u.Fragment = \"\"", run: "TestAConfigurationBeginsWithTheProviders"},
		{name: "no value of a begun configuration ends its line", file: "app/beginningtext.go", pkg: "./app", old: "if unprintable(r) {\n\t\t\ttext =", new: "if unprintable(r) && r < ' ' {\n\t\t\ttext =", run: "TestNothingThatOpenWebUISays"},
		{name: "somebody else's answer is no sign of life", file: health, pkg: "./cmd/groupsyncd", old: "case resp.StatusCode == http.StatusOK && text == \"ok\":", new: "case resp.StatusCode == http.StatusOK:", run: "TestAHealthcheckBelieves"},
	}
	for i := range list {
		list[i].rule, list[i].beyond = "setup", "histories neither print nor give anything away"
	}
	return list
}
