//go:build peers

package kill

import (
	"fmt"
	"net/url"
	"testing"
	"time"

	"groupsyncd/test/hand"
	"groupsyncd/test/peers/ldif"
	"groupsyncd/test/peers/peer"
)

// TestKilledBesideARealOpenWebUI plays the same cases against a real server, one after
// the other. Each has groups of its own, which are taken away behind it: their marks would
// else be those of a state that nobody has any more.
func TestKilledBesideARealOpenWebUI(t *testing.T) {
	kills, only := wantedKills(t, 30)
	chat := peer.StartOpenWebUI(t, 17)
	address, err := url.Parse(chat.URL)
	if err != nil {
		t.Fatal(err)
	}
	began, done := time.Now(), count{where: map[string]int{}}
	seed := max(only, 1)
	for ; done.sum() < kills && !t.Failed(); seed++ {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			srv := &server{front: newFront(forward{address}), hand: &hand.Hand{TB: t, URL: chat.URL, Key: chat.Key(t)}}
			for n := range 17 {
				if n < 14 {
					srv.people = append(srv.people, ldif.Mail(n+1))
				} else {
					srv.outsiders = append(srv.outsiders, ldif.Mail(n+1))
				}
			}
			done.add(play(t, seed, fmt.Sprintf("s%d-", seed), srv))
			for _, g := range srv.hand.Groups() {
				srv.hand.DeleteGroup(g.ID)
			}
		})
	}
	done.report(t, seed-1, began)
}
