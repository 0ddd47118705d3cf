package scim_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"groupsyncd/internal/fault"
	"groupsyncd/internal/secret"
	"groupsyncd/providers"
	"groupsyncd/providers/providertest/apitest"
	"groupsyncd/providers/scim"
	"groupsyncd/providers/scim/scimtest"
)

// TestWhatAServerSaysOfItselfIsOnlyAHint: missing, refused, in another form or wrong, the lists
// are read all the same, and nothing is asked elsewhere.
func TestWhatAServerSaysOfItselfIsOnlyAHint(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*scimtest.Profile, *scimtest.Server){
		"as it should be": func(*scimtest.Profile, *scimtest.Server) {},
		"404":             func(p *scimtest.Profile, _ *scimtest.Server) { p.Discovery = 404 },
		"403":             func(p *scimtest.Profile, _ *scimtest.Server) { p.Discovery = 403 },
		"500":             func(p *scimtest.Profile, _ *scimtest.Server) { p.Discovery = 500 },
		"bare arrays":     func(p *scimtest.Profile, _ *scimtest.Server) { p.Bare = true },
		"another server": func(p *scimtest.Profile, _ *scimtest.Server) {
			p.Endpoints = [2]string{"https://elsewhere.invalid/Users", "//elsewhere.invalid/Groups"}
		},
		"whole addresses": func(p *scimtest.Profile, s *scimtest.Server) {
			p.Endpoints = [2]string{s.URL() + scimtest.Base + "/Users", s.URL() + scimtest.Base + "/Groups"}
		},
		"from the root": func(p *scimtest.Profile, _ *scimtest.Server) {
			p.Endpoints = [2]string{scimtest.Base + "/Users", scimtest.Base + "/Groups"}
		},
		"without a slash": func(p *scimtest.Profile, _ *scimtest.Server) { p.Endpoints = [2]string{"Users", "Groups"} },
		"beside the base": func(p *scimtest.Profile, s *scimtest.Server) {
			p.Endpoints = [2]string{s.URL() + "/other/Users", "/../Groups"}
		},
		"wrong": func(p *scimtest.Profile, _ *scimtest.Server) { p.Endpoints = [2]string{"/People", "/Teams"} },
		"with a query": func(p *scimtest.Profile, _ *scimtest.Server) {
			p.Endpoints = [2]string{"/Users?all=1", "/Groups?all=1"}
		},
		"no address at all": func(p *scimtest.Profile, _ *scimtest.Server) { p.Endpoints = [2]string{"%zz", ":"} },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := crowd(30)
			p := scimtest.Standard()
			s := scimtest.New(t, w, p)
			change(&p, s)
			s.SetProfile(p)
			source := open(t, s)
			read(t, source, w, 0)
			first := len(s.Requests())
			read(t, source, w, 0)
			if again := len(s.Requests()) - first; again >= first {
				t.Errorf("%d requests at first and %d later: it is asked each time", first, again)
			}
			for _, r := range s.Requests() {
				if !strings.HasPrefix(r.Path, scimtest.Base+"/") {
					t.Errorf("%s was asked", r.Path)
				}
			}
		})
	}
}

// TestRefusalsSayWhatToDo: the hint fits the error, and the code of the server is understood.
func TestRefusalsSayWhatToDo(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		status     int
		media      string
		body, hint string
		kind       fault.Kind
	}{
		{401, "application/scim+json", `{"status":"401","detail":"who are you"}`, "allowed to read", fault.Auth},
		{403, "application/scim+json", `{"status":"403"}`, "allowed to read", fault.Auth},
		{404, "text/html", "<html>", "before /Users", fault.Invalid},
		{200, "text/html", "<html>", "before /Users", fault.Invalid},
		{400, "application/scim+json;charset=utf-8", `{"schemas":["urn:ietf:params:scim:api:messages:2.0:Error"],"status":"400","scimType":"tooMany"}`, "page_size", fault.Invalid},
	} {
		t.Run(fmt.Sprintf("%d %s", c.status, c.media), func(t *testing.T) {
			t.Parallel()
			s := scimtest.New(t, crowd(3), scimtest.Standard())
			s.Break(apitest.Breakage{Match: listOf("/Users"), Do: func(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
				w.Header().Set("Content-Type", c.media)
				w.WriteHeader(c.status)
				_, _ = w.Write([]byte(c.body))
			}})
			_, err := open(t, s).Pull(t.Context(), nil)
			if fault.KindOf(err) != c.kind || !strings.Contains(fault.HintOf(err), c.hint) {
				t.Errorf("%v (%s): %s", err, fault.KindOf(err), fault.HintOf(err))
			}
		})
	}
}

// TestAClientGetsItsOwnToken: with scope and audience, by client credentials.
func TestAClientGetsItsOwnToken(t *testing.T) {
	t.Parallel()
	var asked atomic.Int32
	tokens := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id, word, _ := r.BasicAuth()
		if id != "us" || word != "word" || r.FormValue("scope") != "read all" || r.FormValue("audience") != "scim" || r.FormValue("grant_type") != "client_credentials" {
			http.Error(w, `{"error":"invalid_client"}`, http.StatusUnauthorized)
			return
		}
		asked.Add(1)
		w.Header().Set("Content-Type", "application/json")
		_, _ = fmt.Fprintf(w, `{"access_token":%q,"token_type":"Bearer","expires_in":3600}`, scimtest.Token)
	}))
	t.Cleanup(tokens.Close)
	file := filepath.Join(t.TempDir(), "word")
	if err := os.WriteFile(file, []byte("word\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	w := crowd(3)
	s := scimtest.New(t, w, scimtest.Standard())
	source := open(t, s, func(c *scim.Config) {
		c.Token = secret.Ref{}
		c.ClientID, c.TokenURL, c.Scopes, c.Audience = "us", tokens.URL, "read all", "scim"
		if err := c.ClientSecret.UnmarshalText([]byte("file:" + file)); err != nil {
			t.Fatal(err)
		}
	})
	read(t, source, w, 0)
	read(t, source, w, 0)
	if n := asked.Load(); n != 1 {
		t.Errorf("%d tokens were asked for", n)
	}
}

func TestConfigurationsAreChecked(t *testing.T) {
	t.Parallel()
	good := func() *scim.Config {
		c, _ := scim.Type().New().(*scim.Config)
		c.URL = "https://SCIM.example.org/v2/"
		_ = c.Token.UnmarshalText([]byte("file:token"))
		return c
	}
	client := func(c *scim.Config) {
		c.Token = secret.Ref{}
		c.ClientID, c.TokenURL = "us", "https://idp.example.org/token"
		_ = c.ClientSecret.UnmarshalText([]byte("file:word"))
	}
	for _, c := range []struct {
		change func(*scim.Config)
		want   string
	}{
		{func(*scim.Config) {}, ""},
		{client, ""},
		{func(c *scim.Config) { c.URL = "" }, "url is missing"},
		{func(c *scim.Config) { c.URL = "scim.example.org" }, "url must begin with http"},
		{func(c *scim.Config) { c.URL = "https://me:word@scim.example.org" }, "url must not contain a user name"},
		{func(c *scim.Config) { c.URL = "http://scim.example.org" }, ""},
		{func(c *scim.Config) { c.URL = "https://scim.example.org/v2/Users" }, "leads to the users"},
		{func(c *scim.Config) { c.URL = "http://127.0.0.1:8080/v2" }, ""},
		{func(c *scim.Config) { c.Token = secret.Ref{} }, "token is missing"},
		{func(c *scim.Config) { c.ClientID = "us" }, "both a token and a client"},
		{func(c *scim.Config) { client(c); c.ClientID = "" }, "client_id is missing"},
		{func(c *scim.Config) { client(c); c.ClientSecret = secret.Ref{} }, "client_secret is missing"},
		{func(c *scim.Config) { client(c); c.TokenURL = "" }, "token_url is missing"},
		{func(c *scim.Config) { client(c); c.TokenURL = "http://idp.example.org/token" }, ""},
		{func(c *scim.Config) { c.Scopes = "x" }, "there is none"},
		{func(c *scim.Config) { c.Paging = "page" }, `paging "page" is not known`},
		{func(c *scim.Config) { c.Members = "each" }, `members "each" is not known`},
		{func(c *scim.Config) { c.PageSize = 0 }, "page_size is 0"},
		{func(c *scim.Config) { c.Parallel = 99 }, "parallel is 99"},
		{func(c *scim.Config) { c.Users.Email = "e mail" }, `"e mail" is not an attribute`},
		{func(c *scim.Config) { c.Users.Username = "" }, "is not an attribute"},
		{func(c *scim.Config) { c.Users.Name = "name[" }, "is not an attribute"},
		{func(c *scim.Config) { c.Users.Attributes = map[string]string{"x": "emails[type eq ].value"} }, "is not an attribute"},
	} {
		config := good()
		c.change(config)
		list := config.Check()
		switch {
		case c.want == "" && len(list) > 0:
			t.Errorf("%+v is refused: %v", config, list)
		case c.want != "" && (len(list) != 1 || !strings.Contains(list[0].Message, c.want) || list[0].Hint == "" || len(list[0].Path) == 0):
			t.Errorf("want %q, got %+v", c.want, list)
		}
		if _, err := config.Open(providers.Options{Name: "hr"}); (err != nil) != (c.want != "") {
			t.Errorf("Open: %v, want %q", err, c.want)
		}
	}
	if place := good().Place(); place != "scim https://scim.example.org/v2" {
		t.Errorf("place %q", place)
	}
	if good().Replicated() {
		t.Error("one server is several")
	}
	flat := good()
	flat.Nested = false
	if flat.Scope() == good().Scope() {
		t.Error("nesting is no part of the scope")
	}
}
