package entra

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"slices"
	"strings"
	"sync"

	"groupsyncd/internal/secret"
)

// permission is what an administrator grants to our application.
type permission string

// The permissions that reading may need.
const (
	readMembers      permission = "GroupMember.Read.All"
	readUsers        permission = "User.Read.All"
	readApplications permission = "Application.Read.All"
	readHidden       permission = "Member.Read.Hidden"
)

// wider are permissions that contain another one.
func (p permission) wider() []string {
	switch p {
	case readMembers:
		return []string{"GroupMember.ReadWrite.All", "Group.Read.All", "Group.ReadWrite.All", "Directory.Read.All", "Directory.ReadWrite.All"}
	case readUsers:
		return []string{"User.ReadWrite.All", "Directory.Read.All", "Directory.ReadWrite.All"}
	case readApplications:
		return []string{"Application.ReadWrite.All", "Directory.Read.All", "Directory.ReadWrite.All"}
	}
	return nil
}

// grants are what our access token says of us. The token is Graph's to read; where it cannot
// be read here, nothing is known, and nothing that depends on a permission is claimed.
type grants struct {
	mu sync.Mutex
	// of is a digest of the token that was read last.
	of     [sha256.Size]byte
	known  bool
	tenant string
	roles  []string
}

// bearer gives the token of get and reads it.
func (g *grants) bearer(get func(context.Context, secret.Value) (secret.Value, error)) func(context.Context, secret.Value) (secret.Value, error) {
	return func(ctx context.Context, refused secret.Value) (secret.Value, error) {
		token, err := get(ctx, refused)
		if err == nil {
			g.read(token)
		}
		return token, err
	}
}

func (g *grants) read(token secret.Value) {
	raw := token.Reveal()
	of := sha256.Sum256([]byte(raw))
	g.mu.Lock()
	defer g.mu.Unlock()
	if of != g.of {
		g.of = of
		g.tenant, g.roles, g.known = claims(raw)
	}
}

// claims reads the tenant and the permissions out of a token, without trusting either for
// more than a hint and a refusal: Graph decides what it shows.
func claims(token string) (tenant string, roles []string, known bool) {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return "", nil, false
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return "", nil, false
	}
	var c struct {
		Tenant string   `json:"tid"`
		Roles  []string `json:"roles"`
	}
	if json.Unmarshal(payload, &c) != nil || c.Tenant == "" {
		return "", nil, false
	}
	return strings.ToLower(c.Tenant), c.Roles, true
}

// has reports whether a permission was granted, and whether that is known at all.
func (g *grants) has(p permission) (granted, known bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	granted = slices.Contains(g.roles, string(p)) || slices.ContainsFunc(p.wider(), func(w string) bool { return slices.Contains(g.roles, w) })
	return granted, g.known
}

// tid gives the tenant that the token is of; empty where it cannot be read.
func (g *grants) tid() string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.tenant
}
