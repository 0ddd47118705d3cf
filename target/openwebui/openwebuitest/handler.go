package openwebuitest

import (
	"encoding/json"
	"net/http"
	"strings"
)

// The texts of the server's refusals; clients must not read them.
const (
	notFound      = "We could not find what you're looking for :/"
	groupNotFound = "Group not found."
	badToken      = "Your session has expired or the token is invalid. Please sign in again."
	noPermission  = "You do not have permission to access this resource. Please contact your administrator for assistance."
	keysOff       = "Use of API key is not enabled in the environment."
	restricted    = "The requested action has been restricted as a security measure."
	emailTaken    = "Uh-oh! This email is already registered. Sign in with your existing account or choose another email to start anew."
)

// call is one request on its way through the server.
type call struct {
	r    *http.Request
	body []byte
	lose func(string) bool
	// by is the account behind the key, or behind the sign-in of a session.
	by      *account
	session bool
}

// handle routes a request. What no route takes, the web application takes: GET
// answers its page, anything else is not allowed.
func (s *Server) handle(c *call) *answer {
	p := c.r.URL.Path
	switch {
	case p == "/api/version":
		return s.get(c, s.getVersion)
	case p == "/health":
		return s.get(c, func(*call) *answer { return send(map[string]bool{"status": true}) })
	case p == "/api/v1/auths/":
		return s.get(c, s.known(s.ownAccount))
	case p == "/api/v1/auths/signin":
		return s.post(c, s.passwordSignIn)
	case p == "/api/v1/auths/add":
		return s.post(c, s.administrator(s.addAccount))
	case strings.HasPrefix(p, "/api/v1/auths/admin/config"):
		return s.get(c, s.administrator(s.getSettings))
	case p == "/api/config":
		return s.get(c, s.publicConfig)
	case s.shape.events && (p == "/api/events" || strings.HasPrefix(p, "/api/events/")):
		return s.handleEvents(c)
	case p == "/api/v1/groups/":
		return s.get(c, s.authorized(s.listGroups))
	case p == "/api/v1/groups/create":
		return s.post(c, s.administrator(s.createGroup))
	case strings.HasPrefix(p, "/api/v1/groups/id/"):
		return s.handleGroup(c)
	case p == "/api/v1/users/":
		return s.get(c, s.administrator(s.pageOfUsers))
	case p == "/api/v1/users/all":
		return s.get(c, s.administrator(s.allUsers))
	case p == "/api/v1/users/default/permissions":
		if c.r.Method == http.MethodPost {
			return s.administrator(s.setDefaults)(c)
		}
		return s.get(c, s.administrator(s.getDefaults))
	case p == "/api/v1/users/permissions":
		return s.get(c, s.authorized(s.ownPermissions))
	case p == "/api/models/base":
		return s.get(c, s.administrator(s.offeredModels))
	case p == "/api/models":
		return s.get(c, s.authorized(s.usableModels))
	case p == "/api/v1/users/user/status" && s.shape.ownStatus:
		return s.get(c, s.authorized(func(c *call) *answer { return send(s.userJSON(c.by)) }))
	case strings.HasPrefix(p, "/api/v1/users/") && strings.HasSuffix(p, "/oauth/sessions"):
		return s.get(c, s.administrator(s.listSessions))
	case strings.HasPrefix(p, "/api/v1/users/") && !strings.Contains(p[len("/api/v1/users/"):], "/"):
		return s.handleUser(c)
	case strings.HasPrefix(p, "/api/v1/users/"):
		if a, ok := s.handleOneUser(c); ok {
			return a
		}
	}
	if a, ok := s.handleResource(c); ok {
		return a
	}
	return fallback(c)
}

func fallback(c *call) *answer {
	if c.r.Method == http.MethodGet {
		return page(http.StatusOK)
	}
	return refuse(http.StatusMethodNotAllowed, "Method Not Allowed")
}

func (s *Server) get(c *call, f func(*call) *answer) *answer {
	if c.r.Method != http.MethodGet {
		return refuse(http.StatusMethodNotAllowed, "Method Not Allowed")
	}
	return f(c)
}

// post leaves GET on a writing path to the web application.
func (s *Server) post(c *call, f func(*call) *answer) *answer {
	if c.r.Method != http.MethodPost {
		return fallback(c)
	}
	return f(c)
}

// authorized refuses who is not let in yet.
func (s *Server) authorized(f func(*call) *answer) func(*call) *answer {
	return s.known(func(c *call) *answer {
		if c.by.role == "pending" {
			return refuse(http.StatusUnauthorized, noPermission)
		}
		return f(c)
	})
}

// known finds the account behind the key or the sign-in, as the server does it: a key that
// nobody has is 401, keys switched off or restricted to other paths are 403.
func (s *Server) known(f func(*call) *answer) func(*call) *answer {
	return func(c *call) *answer {
		token, ok := strings.CutPrefix(c.r.Header.Get("Authorization"), "Bearer ")
		if !ok && s.shape.xAPIKey {
			token = c.r.Header.Get("X-Api-Key")
			ok = token != ""
		}
		if !ok {
			return refuse(http.StatusUnauthorized, "Not authenticated")
		}
		if !strings.HasPrefix(token, "sk-") {
			if c.by = s.db.accounts[s.db.tokens[token]]; c.by == nil {
				return refuse(http.StatusUnauthorized, "401 Unauthorized")
			}
			c.session = true
			s.touch(c.by)
			return f(c)
		}
		c.by = s.db.accounts[s.db.keys[token]]
		if c.by == nil {
			return refuse(http.StatusUnauthorized, badToken)
		}
		if !s.settings.keys || c.by.role != "admin" && !s.settings.keysForUsers {
			return refuse(http.StatusForbidden, keysOff)
		}
		if !allowed(s.settings.endpoints, c.r.URL.Path) {
			return refuse(http.StatusForbidden, noPermission)
		}
		s.touch(c.by)
		return f(c)
	}
}

// administrator refuses everybody else, with 401 as the server does.
func (s *Server) administrator(f func(*call) *answer) func(*call) *answer {
	return s.authorized(func(c *call) *answer {
		if c.by.role != "admin" {
			return refuse(http.StatusUnauthorized, noPermission)
		}
		return f(c)
	})
}

func (s *Server) getVersion(*call) *answer {
	out := map[string]string{"version": s.version}
	if s.shape.deployment {
		out["deployment_id"] = s.deployment
	}
	return send(out)
}

func (s *Server) ownAccount(c *call) *answer {
	if !s.shape.keyOnAuths && !c.session {
		return refuse(http.StatusForbidden, "A human session is required.")
	}
	return send(map[string]string{"id": c.by.id, "email": c.by.email, "name": c.by.name, "role": c.by.role})
}

// send answers 200 with a value as JSON.
func send(v any) *answer {
	b, err := json.Marshal(v)
	if err != nil { // the values are this package's own types
		panic(err)
	}
	return raw(b)
}

func raw(b []byte) *answer {
	return &answer{status: http.StatusOK, header: http.Header{"Content-Type": {"application/json"}}, body: b}
}

// refuse answers an error in the server's form.
func refuse(status int, detail string) *answer {
	a := send(map[string]string{"detail": detail})
	a.status = status
	return a
}

// invalid answers 422 for a field of the body.
func invalid(kind, field, message string) *answer {
	type item struct {
		Type string   `json:"type"`
		Loc  []string `json:"loc"`
		Msg  string   `json:"msg"`
	}
	a := send(map[string][]item{"detail": {{Type: kind, Loc: []string{"body", field}, Msg: message}}})
	a.status = http.StatusUnprocessableEntity
	return a
}

// page answers with the shell of the web application.
func page(status int) *answer {
	return &answer{
		status: status, header: http.Header{"Content-Type": {"text/html; charset=utf-8"}},
		body: []byte("<!doctype html><html lang=\"en\"><head><title>Open WebUI</title></head><body></body></html>"),
	}
}
