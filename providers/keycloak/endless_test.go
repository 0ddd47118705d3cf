package keycloak

import (
	"strconv"
	"strings"
	"testing"
)

// TestAListWithoutEndIsLeft walks over a list of which every page shows somebody new.
func TestAListWithoutEndIsLeft(t *testing.T) {
	t.Parallel()
	asked := 0
	_, pages, err := walk(2, func(first, most int) ([]endless, error) {
		asked++
		return []endless{endless(first), endless(first + most - 1)}, nil
	})
	if err == nil || !strings.Contains(err.Error(), "more than 100000 pages") || asked != pages {
		t.Errorf("%v after %d requests", err, asked)
	}
}

type endless int

func (e endless) place() (id, key string) { return strconv.Itoa(int(e)), strconv.Itoa(int(e)) }
