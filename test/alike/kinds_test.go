package alike

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"slices"
	"time"

	ldap "github.com/go-ldap/ldap/v3"

	"github.com/coreos/go-oidc/v3/oidc/oidctest"

	"groupsyncd/providers"
	"groupsyncd/providers/authentik/authentiktest"
	"groupsyncd/providers/entra/entratest"
	"groupsyncd/providers/google/googletest"
	"groupsyncd/providers/keycloak"
	"groupsyncd/providers/keycloak/keycloaktest"
	"groupsyncd/providers/ldap/ldaptest"
	"groupsyncd/providers/okta/oktatest"
	"groupsyncd/providers/providertest"
	"groupsyncd/providers/scim/scimtest"
	"groupsyncd/providers/scimpush/scimpushtest"
	"groupsyncd/target/openwebui/openwebuitest"
)

// kinds are all kinds of sources, by their type.
func kinds() map[string]kind {
	return map[string]kind{
		"authentik": {open: openAuthentik},
		"entra":     {open: openEntra},
		"file":      {open: openFile},
		"google":    {open: openGoogle},
		"keycloak":  {open: openKeycloak},
		"ldap":      {open: openLDAP},
		"oidc":      {open: openOIDC, flat: true},
		"okta":      {open: openOkta, flat: true},
		"scim-push": {open: openPush},
		"scim":      {open: openSCIM},
	}
}

func openAuthentik(h *house, w providertest.World) (string, providers.Config, func(providertest.World)) {
	s := authentiktest.New(h, w)
	return "", s.Config(), s.SetWorld
}

func openEntra(h *house, w providertest.World) (string, providers.Config, func(providertest.World)) {
	s := entratest.New(h, w)
	return "", s.Config(), s.SetWorld
}

func openGoogle(h *house, w providertest.World) (string, providers.Config, func(providertest.World)) {
	s := googletest.New(h, w)
	return "", s.Config(), s.SetWorld
}

// openKeycloak has the groups of the story as a tree: whoever is in a sub-group is in the
// group above it.
func openKeycloak(h *house, w providertest.World) (string, providers.Config, func(providertest.World)) {
	s := keycloaktest.New(h, w)
	return "", s.Config(func(c *keycloak.Config) { c.Inherit = true }), s.SetWorld
}

func openSCIM(h *house, w providertest.World) (string, providers.Config, func(providertest.World)) {
	s := scimtest.New(h, w, scimtest.Standard())
	return "", s.Config(), s.SetWorld
}

// openPush has a provider bring what there is, and somebody say that this is everything.
func openPush(h *house, w providertest.World) (string, providers.Config, func(providertest.World)) {
	p := &scimpushtest.Provider{Base: "http://groups.example.org/scim/it/v2"}
	h.write("pushes", "a-token-for-the-provider-0123456789")
	h.begin = func(s providers.Source) {
		p.Handler = s.(providers.Provisioned).Handler()
		p.Bring(h, w)
		if err := h.app.AcceptSource(h.Context(), "it", "somebody"); err != nil {
			h.Fatal(err)
		}
	}
	return ", token: file:pushes", nil, func(w providertest.World) { p.Bring(h, w) }
}

func openOkta(h *house, w providertest.World) (string, providers.Config, func(providertest.World)) {
	s := oktatest.New(h, w)
	return "", s.Config(), s.SetWorld
}

func openFile(h *house, w providertest.World) (string, providers.Config, func(providertest.World)) {
	change := func(w providertest.World) {
		type user struct {
			ID       string `json:"id"`
			Email    string `json:"email"`
			Username string `json:"username"`
			Name     string `json:"name"`
		}
		type group struct {
			ID      string   `json:"id"`
			Name    string   `json:"name"`
			Members []string `json:"members"`
			Groups  []string `json:"groups"`
		}
		var list struct {
			Users  []user  `json:"users"`
			Groups []group `json:"groups"`
		}
		for _, u := range w.Users {
			list.Users = append(list.Users, user{u.ID, u.Email, u.Username, u.Name})
		}
		for _, g := range w.Groups {
			list.Groups = append(list.Groups, group{g.ID, g.Name, g.Members, append([]string{}, g.Groups...)})
		}
		text, err := json.Marshal(list)
		if err != nil {
			h.Fatal(err)
		}
		h.write("people.json", string(text))
	}
	change(w)
	return ", path: people.json", nil, change
}

func openLDAP(h *house, w providertest.World) (string, providers.Config, func(providertest.World)) {
	const suffix = "dc=example,dc=org"
	entries := func(w providertest.World) []ldaptest.Entry {
		list := []ldaptest.Entry{{DN: suffix, Attributes: map[string][]string{"objectClass": {"domain"}}}}
		dns := map[string]string{}
		for _, u := range w.Users {
			dns[u.ID] = "uid=" + u.Username + "," + suffix
			list = append(list, ldaptest.Entry{DN: dns[u.ID], Attributes: map[string][]string{"objectClass": {"inetOrgPerson"},
				"entryUUID": {u.ID}, "uid": {u.Username}, "cn": {u.Name}, "mail": {u.Email}}})
		}
		for _, g := range w.Groups {
			dns[g.ID] = "cn=" + ldap.EscapeDN(g.Name) + "," + suffix
		}
		for _, g := range w.Groups {
			var members []string
			for _, id := range slices.Concat(g.Members, g.Groups) {
				members = append(members, dns[id])
			}
			list = append(list, ldaptest.Entry{DN: dns[g.ID], Attributes: map[string][]string{"objectClass": {"groupOfNames"},
				"entryUUID": {g.ID}, "cn": {g.Name}, "member": members}})
		}
		return list
	}
	server := ldaptest.New(ldaptest.Options{})
	if err := server.Add(entries(w)...); err != nil {
		h.Fatal(err)
	}
	url, err := server.Start("127.0.0.1:0")
	if err != nil {
		h.Fatal(err)
	}
	h.Cleanup(func() {
		if err := server.Close(); err != nil {
			h.Error(err)
		}
	})
	return fmt.Sprintf(", url: %q, layout: rfc2307bis, users: {base: %q}, groups: {base: %q}", url, suffix, suffix), nil, func(w providertest.World) {
		if err := server.Replace(entries(w)...); err != nil {
			h.Fatal(err)
		}
	}
}

// openOIDC has everybody sign in anew in each chapter: a token says what is so for one person.
func openOIDC(h *house, w providertest.World) (string, providers.Config, func(providertest.World)) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		h.Fatal(err)
	}
	idp := &oidctest.Server{PublicKeys: []oidctest.PublicKey{{PublicKey: key.Public(), KeyID: "k", Algorithm: "ES256"}}, Algorithms: []string{"ES256"}}
	server := httptest.NewServer(idp)
	h.Cleanup(server.Close)
	idp.SetIssuer(server.URL)
	for _, a := range h.chat.Accounts() {
		if n := slices.IndexFunc(w.Users, func(u providertest.User) bool { return u.Email == a.Email }); n >= 0 {
			h.chat.SetOAuth(a.ID, "oidc", w.Users[n].ID)
		}
	}
	issued := time.Now().Add(-10 * time.Minute)
	change := func(w providertest.World) {
		issued = issued.Add(time.Minute)
		for _, u := range w.Users {
			if u.ID == userID(nora) {
				continue // She has never signed in.
			}
			in := []map[string]string{}
			for _, g := range w.Groups {
				if slices.Contains(g.Members, u.ID) {
					in = append(in, map[string]string{"id": g.ID, "name": g.Name})
				}
			}
			claims, err := json.Marshal(map[string]any{"iss": server.URL, "aud": "open-webui", "sub": u.ID, "email": u.Email, "name": u.Name,
				"iat": issued.Unix(), "exp": issued.Add(time.Hour).Unix(), "groups": in})
			if err != nil {
				h.Fatal(err)
			}
			token := oidctest.SignIDToken(key, "k", "ES256", string(claims))
			if _, err := h.chat.SignIn(openwebuitest.SignIn{Email: u.Email, Name: u.Name, Provider: "oidc", Subject: u.ID, Tokens: openwebuitest.Tokens{ID: token}}); err != nil {
				h.Fatal(err)
			}
		}
	}
	change(w)
	return fmt.Sprintf(", issuer: %q, audience: open-webui, target: chat, sweep_rate: 1000", server.URL), nil, change
}
