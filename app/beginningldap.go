package app

import (
	"net"
	"slices"
	"strings"
	"unicode"

	"groupsyncd/internal/httpx"
	"groupsyncd/providers/ldap"
	"groupsyncd/target/openwebui"
)

// ldap begins a source with the directory that Open WebUI asks for passwords.
func (w *beginning) ldap() {
	l := w.settings.LDAP
	if l == nil {
		if w.settings.LDAPOffered {
			w.unread = append(w.unread, "where the directory of its sign-in by LDAP is: add a source with type: ldap")
		}
		return
	}
	address, secure := ldapAddress(l)
	lines := []string{"type: ldap", "url: " + quoted(address)}
	if secure {
		lines = append(lines, "start_tls: true # Open WebUI sends passwords in clear here; groupsyncd does not")
	}
	if l.CAFile != "" && !slices.Contains(systemCertificates(), l.CAFile) {
		lines = append(lines, "ca_file: "+quoted(l.CAFile)+" # as Open WebUI sees it: copy it to where groupsyncd does")
	}
	if !l.Validate {
		lines = append(lines, "# Open WebUI does not check the certificate (LDAP_VALIDATE_CERT); groupsyncd always does.")
	}
	if l.BindDN != "" {
		w.files["secrets/ldap"] = "the password of " + plainWords(l.BindDN) + ", LDAP_APP_PASSWORD in Open WebUI"
		lines = append(lines, "bind: {dn: "+quoted(l.BindDN)+", password: \"file:secrets/ldap\"}")
	}
	lines = append(lines, "users:", "  base: "+base(l.Base)+changeWhen(!validBase(l.Base)))
	switch filter, ok := ldapFilter(l); {
	case filter == "":
	case ok:
		lines = append(lines, "  filter: "+quoted(filter))
	default:
		lines = append(lines, "  # filter: "+plainWords(filter)+" # CHANGE: this is no valid filter by itself")
	}
	lines = append(lines, attribute("  email: ", l.Mail), attribute("  username: ", l.Username))
	if l.MailDomain != "" {
		lines = append(lines, "  # Open WebUI appends @"+plainWords(l.MailDomain)+" to names of people without a mail address; here those are not found by mail.")
	}
	lines = append(lines, "groups:", "  base: "+base(directoryOf(l.Base))+" # CHANGE: where the groups are; Open WebUI reads only "+plainWords(l.Groups)+" of each person")
	name := "ldap"
	if l.Label != "" && l.Label != "LDAP Server" {
		name = sourceName(l.Label, name)
	}
	w.sources = append(w.sources, begunSource{name: name, lines: slices.DeleteFunc(lines, func(line string) bool { return line == "" })})
}

// ldapAddress gives the address for a source, and whether the connection is to be secured
// behind it: we send no password in clear over a network.
func ldapAddress(l *openwebui.LDAPSettings) (address string, startTLS bool) {
	host, port := l.Host, l.Port
	if _, rest, found := strings.Cut(host, "://"); found { // Some write an address there.
		host = strings.TrimSuffix(rest, "/")
	}
	if strings.ContainsFunc(host, func(r rune) bool {
		return unicode.IsSpace(r) || unicode.IsControl(r) || strings.ContainsRune("/@?#%", r)
	}) || host == "" {
		host = "ldap.example.org"
	}
	if h, p, err := net.SplitHostPort(host); err == nil {
		host, port = h, p
	}
	scheme, usual := "ldap", "389"
	if l.TLS {
		scheme, usual = "ldaps", "636"
	}
	host = strings.Trim(host, "[]")
	if port != "" && port != usual {
		host = net.JoinHostPort(host, port)
	} else if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	return scheme + "://" + host, !l.TLS && !httpx.Loopback(l.Host)
}

// systemCertificates are files that hold what is trusted anyway.
func systemCertificates() []string {
	return []string{"/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem"}
}

// ldapFilter gives the filter of people, and whether it is one. Open WebUI puts it behind
// a condition of its own, so it may be several side by side.
func ldapFilter(l *openwebui.LDAPSettings) (string, bool) {
	filter := strings.TrimSpace(l.Filters)
	if filter == "" {
		return "", true
	}
	for _, try := range []string{filter, "(&" + filter + ")", "(" + filter + ")"} {
		if !complains(&ldap.Config{Users: ldap.Users{Filter: try}}, "users", "filter") {
			return try, true
		}
	}
	return filter, false
}

// complains reports whether a key of a source is wrong.
func complains(c *ldap.Config, key ...string) bool {
	for _, p := range c.Check() {
		if slices.Equal(p.Path, key) {
			return true
		}
	}
	return false
}

func validBase(text string) bool {
	return text != "" && !complains(&ldap.Config{Users: ldap.Users{Base: ldap.List{text}}}, "users", "base")
}

func base(text string) string {
	if !validBase(text) {
		return `"dc=example,dc=org"`
	}
	return quoted(text)
}

// directoryOf gives the part of a base that all of a directory shares: its domain components.
func directoryOf(text string) string {
	lower := strings.ToLower(text)
	if i := strings.Index(lower, "dc="); i >= 0 && (i == 0 || lower[i-1] == ',') {
		return text[i:]
	}
	return text
}

func changeWhen(yes bool) string {
	if yes {
		return " # CHANGE"
	}
	return ""
}

// attribute writes the name of an attribute, where there is one that can be.
func attribute(key, name string) string {
	if name == "" || complains(&ldap.Config{Users: ldap.Users{Email: name}}, "users", "email") {
		return ""
	}
	return key + name
}
