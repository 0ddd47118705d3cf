package plan_test

import "testing"

// Whoever moves from one line to another keeps a role for as long as the other line cannot be read.
func TestAnUnreadLineKeepsWhomAnotherLineLetsGo(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, was, lost, want string }{
		{"from users to administrators", "people: dan", "admins?:", "user"},
		{"from administrators to users", "admins: dan", "people?:", "user"},
	} {
		other := map[string]string{"admins?:": "admins:", "people?:": "people:"}[c.lost]
		left := map[string]string{"people: dan": "people:", "admins: dan": "admins:"}[c.was]
		w := office(t).fresh("dan").read("corp", 1, "users: ann dan", c.was, other)
		w.run()
		w.settled()
		w.read("corp", 3*24*60, "users: ann dan", left, c.lost) // the other group was not read for longer than max_age
		w.run()
		if got := w.role("dan"); got != c.want {
			t.Errorf("%s: dan is %s, want %s", c.name, got, c.want)
		}
		w.settled()
	}
}
