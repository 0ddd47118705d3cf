package kill

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"groupsyncd/target/openwebui/openwebuitest"
	"groupsyncd/test/hand"
)

// usual is how often children are killed when nobody says otherwise.
const usual = 30

// simulator gives an Open WebUI of this process, new for each case.
func simulator(t *testing.T) *server {
	t.Helper()
	sim := openwebuitest.NewTest(t, openwebuitest.Options{})
	srv := &server{front: newFront(sim), hand: &hand.Hand{TB: t, URL: sim.URL, Key: sim.Key}}
	for i := range 14 {
		srv.people = append(srv.people, fmt.Sprintf("p%d@example.org", i))
		sim.AddAccount(openwebuitest.Account{Email: srv.people[i]})
	}
	for i := range 3 {
		srv.outsiders = append(srv.outsiders, fmt.Sprintf("outsider%d@example.org", i))
		sim.AddAccount(openwebuitest.Account{Email: srv.outsiders[i], Role: []string{"user", "admin", "pending"}[i]})
	}
	return srv
}

// play plays the case of a seed and gives what was killed.
func play(t *testing.T, seed uint64, prefix string, srv *server) []string {
	t.Helper()
	rng := rand.New(rand.NewPCG(seed, 0x6b696c6c))
	// Two people have no account.
	mails := append(slices.Clone(srv.people[:4+rng.IntN(len(srv.people)-3)]), prefix+"nobody@example.org", prefix+"none@example.org")
	w := newWorld(t, draw(rng, prefix, mails), srv)
	defer func() {
		if t.Failed() {
			t.Logf("play it again with GROUPSYNCD_KILL_SEED=%d\n%s", seed, w.log.String())
		}
	}()
	last := len(w.story.chapters) - 1
	for n := range w.story.chapters {
		w.turn(n)
		times := rng.IntN(3)
		if n == last {
			times = max(times, 1)
		}
		for range times {
			w.strike(drawStrike(rng))
		}
		// The world does not always wait until a run has finished. A group is only taken
		// over under the name that both have.
		if n == last || n == 0 && w.story.adopts || rng.IntN(3) > 0 {
			w.calm()
		}
		if n == 0 {
			w.hands(rng)
		}
	}
	w.judge()
	return w.kills
}

// wantedKills says how many kills are asked for, and the only seed, if any.
func wantedKills(t *testing.T, otherwise int) (kills int, seed uint64) {
	t.Helper()
	if text := os.Getenv("GROUPSYNCD_KILL_SEED"); text != "" {
		n, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			t.Fatalf("GROUPSYNCD_KILL_SEED: %v", err)
		}
		return 1, n
	}
	if text := os.Getenv("GROUPSYNCD_KILLS"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 {
			t.Fatalf("GROUPSYNCD_KILLS is %q", text)
		}
		return n, 0
	}
	return otherwise, 0
}

// count gathers how often children were killed, and where.
type count struct {
	mu    sync.Mutex
	total int
	where map[string]int
}

func (c *count) add(kills []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.total += len(kills)
	for _, k := range kills {
		c.where[k]++
	}
}

func (c *count) sum() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.total
}

func (c *count) report(t *testing.T, cases uint64, began time.Time) {
	t.Helper()
	t.Logf("%d kills in %d cases, %s", c.total, cases, time.Since(began).Round(time.Millisecond))
	for _, k := range slices.Sorted(maps.Keys(c.where)) {
		t.Logf("%5d %s", c.where[k], k)
	}
}

// TestKilledAtAnyMoment is the proof in large numbers.
func TestKilledAtAnyMoment(t *testing.T) {
	t.Parallel()
	kills, only := wantedKills(t, usual)
	if only > 0 {
		play(t, only, "", simulator(t))
		return
	}
	began, done := time.Now(), count{where: map[string]int{}}
	var seeds atomic.Uint64
	var workers sync.WaitGroup
	// Children wait for the disk most of the time.
	for range 4 {
		workers.Go(func() {
			for done.sum() < kills && !t.Failed() {
				seed := seeds.Add(1)
				t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) { done.add(play(t, seed, "", simulator(t))) })
			}
		})
	}
	workers.Wait()
	done.report(t, seeds.Load(), began)
}
