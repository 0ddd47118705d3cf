package authentik_test

import (
	"net/http"
	"strconv"
	"strings"
	"testing"

	"groupsyncd/directory"
	"groupsyncd/internal/fault"
	"groupsyncd/providers"
	"groupsyncd/providers/authentik/authentiktest"
	"groupsyncd/providers/providertest/apitest"
)

// TestALookUpWithoutEndIsLeft looks somebody up where every page names another one, although
// the server counts one user only.
func TestALookUpWithoutEndIsLeft(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		s := authentiktest.InMemory(t, crowd(3))
		asked := 0
		s.Break(apitest.Breakage{Match: func(r *http.Request) bool { return strings.HasSuffix(r.URL.Path, "/core/users/") }, Do: func(w http.ResponseWriter, r *http.Request, _ http.Handler) {
			asked++
			n, err := strconv.Atoi(r.URL.Query().Get("page"))
			if err != nil {
				t.Error(err)
			}
			apitest.Text("application/json", `{"pagination": {"next": `+strconv.Itoa(n+1)+`, "count": 1}, "results": []}`)(w, r, nil)
		}})
		source, ok := s.Open(s.Config()).(providers.LookUp)
		if !ok {
			t.Fatal("there are no look-ups")
		}
		if _, err := source.LookUp(t.Context(), directory.Person{Username: "user0001"}); fault.KindOf(err) != fault.Invalid || asked != 500 {
			t.Errorf("%v after %d requests", err, asked)
		}
	})
}
