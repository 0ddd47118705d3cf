// Command soak runs the program for half an hour as it runs for years: 10,000 people in an LDAP
// directory that changes all the time, sign-ins, reloads, a page and metrics that somebody looks at, and
// on both sides servers that fail in turn. It says every minute what the program needs, and fails when
// that grows, when a sign-in was lost for good, or when at the end, with everything well again, a
// membership is another than the directory's.
//
//	go run ./test/soak                # 30 minutes
//	go run ./test/soak -for 3m
package main

import (
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"sync"
	"time"
)

func main() {
	length := flag.Duration("for", 30*time.Minute, "how long it goes on")
	seed := flag.Uint64("seed", 1, "another one gives another sequence of changes and troubles")
	keep := flag.Bool("keep", false, "keep the folder with the log and the state")
	flag.Parse()
	if err := soak(*length, *seed, *keep); err != nil {
		fmt.Fprintln(os.Stderr, "soak:", err)
		os.Exit(1)
	}
}

// every carries something out again and again until end.
func every(wg *sync.WaitGroup, end time.Time, pause time.Duration, do func()) {
	wg.Go(func() {
		for tick := time.NewTicker(pause); time.Now().Before(end); <-tick.C {
			do()
		}
	})
}

func soak(length time.Duration, seed uint64, keep bool) (err error) {
	t, err := start(seed)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, t.stop(keep)) }()
	if err := t.calm(2 * time.Minute); err != nil {
		return fmt.Errorf("the first run: %w", err)
	}
	fmt.Printf("%d people, %d groups, %d memberships; the first run is done\n", people, groups, t.memberships())
	time.Sleep(5 * time.Second) // What the first run needed goes back.

	end := time.Now().Add(length)
	var wg sync.WaitGroup
	random := func(n uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, n)) }
	changes, logins, looks, reloads, troubles := random(1), random(2), random(3), random(4), random(5)
	every(&wg, end, time.Second, func() { t.change(changes) })
	every(&wg, end, 250*time.Millisecond, func() { t.login(logins) })
	every(&wg, end, 2*time.Second, func() { t.look(looks) })
	every(&wg, end, 20*time.Second, func() { t.reload(reloads) })
	every(&wg, end, 30*time.Second, func() { t.trouble(troubles, end) })
	var samples []sample
	for time.Now().Before(end) {
		s, err := t.sample()
		if err != nil {
			t.fault(err)
			break
		}
		samples = append(samples, s)
		if len(samples)%4 == 1 {
			fmt.Printf("%s  %s\n", time.Until(end).Round(time.Second), s)
		}
		time.Sleep(15 * time.Second)
	}
	wg.Wait()
	t.heal()
	t.configure(0)
	if err := t.calm(5 * time.Minute); err != nil {
		t.fault(fmt.Errorf("with everything well again: %w", err))
	}
	t.print()
	return errors.Join(append(grown(samples), t.faults...)...)
}
