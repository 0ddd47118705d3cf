//go:build peers

package directories

import (
	"fmt"
	"io"
	"strings"
	"testing"

	"groupsyncd/providers/providertest"
	"groupsyncd/test/peers/peer"
)

// TestA389DirectoryServerIsReadToTheLastMember reads a 389 Directory Server with the
// layout that is found out, before and after renames and moves.
func TestA389DirectoryServerIsReadToTheLastMember(t *testing.T) {
	t.Parallel()
	names := odd(200)
	// It drops the spaces at the end of a name when the entry moves, and keeps them in the
	// references to it, so that the two differ from then on.
	for i := range names.Users {
		names.Users[i].Name, names.Groups[i].Name = strings.TrimSpace(names.Users[i].Name), strings.TrimSpace(names.Groups[i].Name)
	}
	for name, w := range map[string]providertest.World{"odd names": names, "thirty levels": tower(1844)} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := rfc2307bis()
			server := peer.StartDS389With(t, func(out io.Writer) error {
				return write(out, withoutIDs(append(l.frame(w), l.records(w)...)), false)
			})
			s := open(t, fmt.Sprintf(`
url: %s
layout: auto
bind: {dn: %q, password: "file:%s"}
users: {base: %q}
groups: {base: %q}
`, server.URL, server.BindDN, server.PasswordFile, l.people, l.groups))
			l.lives(t, s, server.Admin(t), w, true)
		})
	}
}

// withoutIDs leaves the ids to the server.
func withoutIDs(records []record) []record {
	for _, r := range records {
		delete(r.given, "entryUUID")
	}
	return records
}
