package app

import (
	"cmp"
	"maps"
	"net/url"
	"slices"
	"strings"
	"unicode"
)

// oauth begins a source for each provider of the sign-in page.
func (w *beginning) oauth() {
	names := slices.SortedFunc(maps.Keys(w.settings.Providers), func(a, b string) int {
		return cmp.Or(-compareBool(a == "oidc", b == "oidc"), cmp.Compare(a, b)) // Its settings are known best.
	})
	for _, provider := range names {
		switch provider {
		case "oidc":
			w.issuer()
		case "microsoft":
			w.entra(provider, "")
		case "google":
			w.google(provider)
		default:
			w.unread = append(w.unread, "people who sign in by "+plainWords(provider)+": no kind of source reads it; a source of another kind finds them by mail")
		}
	}
}

// issuer begins a source for the provider that Open WebUI calls oidc, by what its address
// tells about its kind.
func (w *beginning) issuer() {
	o := w.settings.OAuth
	if o == nil || o.Discovery == "" {
		w.unread = append(w.unread, "the issuer of its OpenID provider: add a source with type: oidc, keycloak, okta or authentik")
		return
	}
	u, err := url.Parse(o.Discovery)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
		w.unread = append(w.unread, "the issuer of its OpenID provider, whose address cannot be understood")
		return
	}
	u.User, u.RawQuery, u.Fragment = nil, "", "" // They are no part of an issuer, and may be secret.
	before, found := strings.CutSuffix(u.String(), "/.well-known/openid-configuration")
	issuer := strings.TrimSuffix(before, "/")
	parts := strings.Split(strings.Trim(u.Path, "/"), "/")
	at := slices.Index(parts, "realms")
	switch {
	case !found:
		w.unread = append(w.unread, "the issuer of its OpenID provider: "+plainWords(u.String())+" is not where one describes itself")
	case at >= 0 && at+1 < len(parts):
		place := *u
		place.Path, place.RawPath = strings.Join(append([]string{""}, parts[:at]...), "/"), ""
		w.keycloak(place.String(), parts[at+1], issuer)
	case strings.EqualFold(u.Hostname(), "login.microsoftonline.com") && parts[0] != "":
		w.entra("oidc", parts[0])
	case strings.EqualFold(u.Hostname(), "accounts.google.com"):
		w.google("oidc")
	case oktaHost(u.Hostname()):
		w.okta(u.Scheme + "://" + u.Host)
	case len(parts) > 2 && parts[0] == "application" && parts[1] == "o":
		w.authentik(u.Scheme+"://"+u.Host, issuer+"/")
	default:
		w.add("sso", w.tokens(issuer)...)
	}
}

func compareBool(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return 1
	}
	return -1
}

func oktaHost(host string) bool {
	host = strings.ToLower(host)
	return strings.HasSuffix(host, ".okta.com") || strings.HasSuffix(host, ".oktapreview.com") || strings.HasSuffix(host, ".okta-emea.com")
}

// add puts a source for an OAuth provider with what all of them have.
func (w *beginning) add(name string, lines ...string) {
	var blocked []string
	if o := w.settings.OAuth; o != nil {
		if domains := slices.DeleteFunc(slices.Clone(o.Domains), func(d string) bool { return d == "*" || d == "" }); len(domains) > 0 {
			lines = append(lines, "email_domains: "+quotedList(domains)+" # OAUTH_ALLOWED_DOMAINS")
		}
		blocked = w.blocked(o.Blocked)
	}
	w.sources = append(w.sources, begunSource{name: name, lines: lines, blocked: blocked})
}

// blocked keeps the names among what Open WebUI's own sync leaves alone; it takes patterns
// too, which differ from ours.
func (w *beginning) blocked(all []string) []string {
	var out []string
	for _, text := range all {
		if strings.ContainsAny(text, `\^$[]{}|+`) {
			w.unread = append(w.unread, "which groups the pattern "+plainWords(text)+" of OAUTH_BLOCKED_GROUPS means: add them to except of the rule")
			continue
		}
		out = append(out, text)
	}
	return out
}

// signIn says how accounts are found by the subject of sign-ins, where the claim that it
// is can be had from the provider: as standing, the attribute that is sub by itself.
func (w *beginning) signIn(provider, standing string) string {
	claim := ""
	if o := w.settings.OAuth; o != nil {
		claim = o.Subject
	}
	subject := map[string]string{"": standing, "sub": standing, "preferred_username": "username", "email": "email", "oid": "id"}[claim]
	if subject == "" {
		return "# Accounts are found by mail. Where the subject of sign-ins is an attribute, name it: sign_in: {provider: " + provider + ", subject: …}"
	}
	return "sign_in: {provider: " + provider + ", subject: " + subject + "}"
}

func (w *beginning) keycloak(place, realm, issuer string) {
	w.files["secrets/keycloak"] = "the secret of the client groupsyncd, which you make in the realm (docs/providers/keycloak.md)"
	lines := []string{"type: keycloak", "url: " + quoted(place), "realm: " + quoted(realm),
		"client_id: groupsyncd # CHANGE: a client with a service account that has view-users",
		`client_secret: "file:secrets/keycloak"`, w.signIn("oidc", "id")}
	w.add("keycloak", append(lines, w.instead(issuer)...)...)
}

func (w *beginning) authentik(place, issuer string) {
	w.files["secrets/authentik"] = "an API token of a service account (docs/providers/authentik.md)"
	lines := []string{"type: authentik", "url: " + quoted(place), `token: "file:secrets/authentik"`,
		"# Accounts are found by mail; docs/providers/authentik.md says how by the subject of sign-ins."}
	w.add("authentik", append(lines, w.instead(issuer)...)...)
}

func (w *beginning) okta(place string) {
	w.files["secrets/okta.pem"] = "the private key of the service app, which you make in Okta (docs/providers/okta.md)"
	w.add("okta", "type: okta", "url: "+quoted(place), "client_id: CHANGE # the service app for groupsyncd, not that of Open WebUI",
		`private_key: "file:secrets/okta.pem"`, w.signIn("oidc", "id"))
}

func (w *beginning) entra(provider, tenant string) {
	w.files["secrets/entra"] = "the secret of the application for groupsyncd, which you register in Entra (docs/providers/entra.md)"
	line := "tenant: " + quoted(tenant)
	if tenant == "" || strings.ContainsFunc(tenant, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) && r != '-' && r != '.' }) ||
		slices.Contains([]string{"common", "organizations", "consumers"}, tenant) {
		line = "tenant: example.onmicrosoft.com # CHANGE: MICROSOFT_CLIENT_TENANT_ID, which Open WebUI does not show"
	}
	w.add("entra", "type: entra", line, `client_id: "00000000-0000-0000-0000-000000000000" # CHANGE: the application for groupsyncd`,
		`client_secret: "file:secrets/entra"`, w.signIn(provider, ""))
}

func (w *beginning) google(provider string) {
	w.files["secrets/google.json"] = "the key of a service account as Google Cloud gives it (docs/providers/google.md)"
	w.add("google", "type: google", `credentials: "file:secrets/google.json"`, "subject: admin@example.org # CHANGE: the administrator in whose name it reads",
		w.signIn(provider, "id"))
}

// tokens is a source that needs nothing beside what Open WebUI stores.
func (w *beginning) tokens(issuer string) []string {
	o := w.settings.OAuth
	lines := []string{"type: oidc", "issuer: " + quoted(issuer) + " # exactly as tokens name it; some end with /", "audience: " + quoted(o.ClientID), "tokens: openwebui", "target: chat", "provider: oidc"}
	if o.ClientID == "" {
		lines[2] = "audience: open-webui # CHANGE: the client id of Open WebUI"
	}
	var claims []string
	for _, c := range []struct{ key, claim, usual string }{{"groups", o.GroupClaim, "groups"}, {"email", o.EmailClaim, "email"}, {"name", o.NameClaim, "name"}} {
		if c.claim != "" && c.claim != c.usual {
			claims = append(claims, c.key+": "+quoted(c.claim))
		}
	}
	if len(claims) > 0 {
		lines = append(lines, "claims: {"+strings.Join(claims, ", ")+"}")
	}
	return append(lines, "# Tokens tell about those who sign in, and never that somebody has left. A source that lists",
		"# everybody (docs/providers) knows more.")
}

// instead shows the source that needs no further account, as a comment.
func (w *beginning) instead(issuer string) []string {
	out := []string{"# Or, without an account there, what sign-ins tell:"}
	for _, line := range w.tokens(issuer)[:6] {
		out = append(out, "#   "+line)
	}
	return out
}
