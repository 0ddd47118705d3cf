package state

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"groupsyncd/internal/fault"
	"groupsyncd/sync/plan"
	audit "groupsyncd/sync/run"
)

// childRole and childDir tell the test binary to be another process with the state.
const (
	childRole = "STATE_TEST_ROLE"
	childDir  = "STATE_TEST_DIR"
)

func TestMain(m *testing.M) {
	switch os.Getenv(childRole) {
	case "":
		os.Exit(m.Run())
	case "hold":
		exitWith(holdState())
	case "write":
		exitWith(writeForEver())
	case "full":
		exitWith(fillDisk())
	}
}

func exitWith(err error) {
	if err != nil {
		fmt.Println("failed:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

// child starts the test binary in a role and gives its output line by line.
func child(t *testing.T, role, dir string) (*exec.Cmd, *bufio.Scanner) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childRole+"="+role, childDir+"="+dir)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	ok(t, err)
	ok(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // It may have ended by itself.
		_ = cmd.Wait()         // So may this have been done.
	})
	return cmd, bufio.NewScanner(out)
}

func await(t *testing.T, lines *bufio.Scanner, want string) {
	t.Helper()
	if !lines.Scan() || lines.Text() != want {
		t.Fatalf("the other process says %q, want %q", lines.Text(), want)
	}
}

func childState(opts Options) (*DB, error) {
	opts.Dir = os.Getenv(childDir)
	return Open(context.Background(), opts)
}

// holdState keeps the state open until it is killed.
func holdState() error {
	if _, err := childState(Options{}); err != nil {
		return err
	}
	fmt.Println("holding")
	select {}
}

func TestLockedStateNamesItsHolder(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	cmd, lines := child(t, "hold", dir)
	await(t, lines, "holding")
	for name, opts := range map[string]Options{
		"to write":  {Dir: dir, Timeout: 150 * time.Millisecond},
		"to read":   {Dir: dir, Timeout: 150 * time.Millisecond, ReadOnly: true},
		"no wait":   {Dir: dir, Timeout: -1},
		"not found": {Dir: dir, Timeout: -1},
	} {
		start := time.Now()
		_, err := Open(t.Context(), opts)
		wantKind(t, err, fault.Damaged)
		if !errors.Is(err, ErrLocked) || !strings.Contains(err.Error(), "process "+strconv.Itoa(cmd.Process.Pid)) || fault.HintOf(err) == "" {
			t.Fatalf("%s: %v does not say who holds the state", name, err)
		}
		if waited := time.Since(start); waited < opts.Timeout {
			t.Fatalf("%s: gave up after %s", name, waited)
		}
	}
	if got := notedHolder(Options{Dir: dir}); got != cmd.Process.Pid {
		t.Fatalf("the note names process %d", got)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := Open(ended, Options{Dir: dir})
	wantKind(t, err, fault.Canceled)

	ok(t, cmd.Process.Kill())
	_ = cmd.Wait() // It was killed.
	mustOpen(t, Options{Dir: dir, Timeout: time.Minute})
	if got := notedHolder(Options{Dir: dir}); got != os.Getpid() {
		t.Fatalf("the note names process %d and not us", got)
	}
}

func TestOpenWaitsForTheLock(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	first, err := Open(t.Context(), testOptions(dir))
	ok(t, err)
	opened := make(chan error)
	go func() {
		opts := testOptions(dir)
		opts.Timeout = time.Minute
		second, err := Open(context.Background(), opts)
		if err == nil {
			err = second.Close()
		}
		opened <- err
	}()
	time.Sleep(3 * lockRetry)
	ok(t, first.Close())
	ok(t, <-opened)
	if _, err := os.Stat(filepath.Join(dir, holderName)); !errors.Is(err, os.ErrNotExist) {
		t.Fatalf("the note of the holder stays: %v", err)
	}
}

// writeForEver saves a growing number in several records of one transaction, and says
// which number is saved.
func writeForEver() error {
	db, err := childState(Options{})
	if err != nil {
		return err
	}
	m, err := db.Memory("chat")
	if err != nil {
		return err
	}
	for {
		m.Serial++
		n := int(m.Serial)
		run := fmt.Sprintf("run-%09d", n)
		if err := db.Begin(plan.NewMemory("chat", "", time.Time{}), run, "", []plan.Intent{{Run: run, Op: "add_members"}}, plan.Dirty{Events: []audit.Event{{Kind: audit.EventCalls, Run: run, Count: 1}}}); err != nil {
			return err
		}
		m.Mirror = plan.RestoreMirror(*m.Mirror, append(m.Mirror.Accounts(), plan.Account{ID: strconv.Itoa(n)}), nil, m.Mirror.Resources()...)
		m.Owned[fmt.Sprint("g", n%50)] = &plan.OwnedGroup{Feeds: []plan.OwnedFeed{{Accounts: []uint32{uint32(n - 1)}}}}
		dirty := plan.Dirty{Head: true, Accounts: []uint32{uint32(n - 1)}, Owned: []string{fmt.Sprint("g", n%50)},
			Events: []audit.Event{{Kind: audit.EventChange, Run: run, Outcome: audit.Applied}}}
		account, key := strconv.Itoa(n%50), plan.ResourceKey{Type: plan.Models, ID: strconv.Itoa(n % 50)}
		m.Roles[account], m.Grants[key] = plan.OwnedRole{Role: plan.RoleUser, Rule: strconv.Itoa(n)}, []plan.OwnedGrant{{Rule: strconv.Itoa(n)}}
		dirty.Roles, dirty.Grants = []string{account}, []plan.ResourceKey{key}
		m.ObserveResource(&plan.Resource{ResourceKey: key, Name: strconv.Itoa(n)}, &dirty)
		if err := db.Done(m, run, []int{0}, dirty); err != nil {
			return err
		}
		fmt.Println(n)
	}
}

func TestKillLosesNothingAcknowledged(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	acknowledged := 0
	for cycle := range 20 {
		cmd, lines := child(t, "write", dir)
		// Kill at another point of the work each time.
		for range 3 + cycle*7%11 {
			if !lines.Scan() {
				t.Fatal("the writer stopped by itself")
			}
			n, err := strconv.Atoi(lines.Text())
			if err != nil {
				t.Fatal(lines.Text())
			}
			acknowledged = n
		}
		time.Sleep(time.Duration(cycle*137%900) * time.Microsecond)
		ok(t, cmd.Process.Kill())
		for lines.Scan() {
			if n, err := strconv.Atoi(lines.Text()); err == nil {
				acknowledged = n
			}
		}
		_ = cmd.Wait() // It was killed.

		db, err := Open(t.Context(), Options{Dir: dir, Timeout: time.Minute})
		ok(t, err)
		ok(t, db.Check(t.Context()))
		auditOfKilled(t, db)
		m, err := db.Memory("chat")
		ok(t, err)
		open, err := db.Open("chat")
		ok(t, err)
		if int(m.Serial) < acknowledged || int(m.Serial) > acknowledged+1 || len(m.Mirror.Accounts()) != int(m.Serial) {
			t.Fatalf("cycle %d: number %d with %d accounts is stored, %d was acknowledged", cycle, m.Serial, len(m.Mirror.Accounts()), acknowledged)
		}
		sharingOfKilled(t, m)
		for _, in := range open {
			ok(t, db.Done(m, in.Run, []int{in.Seq}, plan.Dirty{}))
		}
		if len(open) > 1 {
			t.Fatalf("cycle %d: %d intents are open", cycle, len(open))
		}
		acknowledged = int(m.Serial)
		ok(t, db.Close())
	}
}

// sharingOfKilled shows that roles, grants and resources are those of the stored number.
func sharingOfKilled(t *testing.T, m *plan.Memory) {
	t.Helper()
	want, key := strconv.FormatUint(m.Serial, 10), plan.ResourceKey{Type: plan.Models, ID: strconv.Itoa(int(m.Serial % 50))}
	grants, r := m.Grants[key], m.Mirror.Resource(key)
	if many := min(int(m.Serial), 50); len(m.Roles) != many || len(m.Grants) != many || len(m.Mirror.Resources()) != many {
		t.Fatalf("%d roles, %d grants, %d resources are stored at number %s", len(m.Roles), len(m.Grants), len(m.Mirror.Resources()), want)
	}
	if m.Roles[key.ID].Rule != want || len(grants) != 1 || grants[0].Rule != want || r == nil || r.Name != want {
		t.Fatalf("number %s has %+v, %+v, %+v", want, m.Roles[key.ID], grants, r)
	}
}

// auditOfKilled shows that the audit tells exactly what is stored: each change that the
// memory has was announced and recorded, and nothing else was.
func auditOfKilled(t *testing.T, db *DB) {
	t.Helper()
	_, err := db.VerifyAudit(nil)
	ok(t, err)
	m, err := db.Memory("chat")
	ok(t, err)
	open, err := db.Open("chat")
	ok(t, err)
	said := map[audit.EventKind]int{}
	ok(t, db.Audit(0, func(r audit.AuditRecord) error { said[r.Event.Kind]++; return nil }))
	if said[audit.EventChange] != int(m.Serial) || said[audit.EventCalls] < int(m.Serial)+len(open) {
		t.Fatalf("the audit has %v, the memory number %d with %d open calls", said, m.Serial, len(open))
	}
}

// fillDisk lets the system refuse writes beyond a size, as a full disk would, and shows
// that the state goes on with what fits.
func fillDisk() error {
	signal.Ignore(syscall.SIGXFSZ)
	db, err := childState(Options{})
	if err != nil {
		return err
	}
	// The file gets its size first, so that pages are refused and not its growth.
	big := SourceIdentity{ID: "01BIG", Place: strings.Repeat("x", 6<<20)}
	small := SourceIdentity{ID: "01BIG"}
	if err := errors.Join(db.SaveSource(big), db.SaveSource(small), db.SaveSource(SourceIdentity{ID: "01A", Name: "before"})); err != nil {
		return err
	}
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
		return err
	}
	unlimited := limit.Cur
	limit.Cur = 1 << 20
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
		return err
	}
	err = db.SaveSource(big)
	if !errors.Is(err, ErrFull) || fault.KindOf(err) != fault.Damaged || fault.HintOf(err) == "" {
		return fmt.Errorf("the full disk gives %w", err)
	}
	limit.Cur = unlimited
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
		return err
	}
	if err := errors.Join(db.Err(), db.SaveSource(SourceIdentity{ID: "01B", Name: "after"}), db.Check(context.Background()), db.Close()); err != nil {
		return fmt.Errorf("after the full disk: %w", err)
	}
	if db, err = childState(Options{}); err != nil {
		return err
	}
	list, err := db.Sources()
	if err != nil || len(list) != 3 || list[0].Name != "before" || list[1].Name != "after" || list[2].Place != "" {
		return fmt.Errorf("%d sources are stored: %w", len(list), err)
	}
	fmt.Println("usable")
	return db.Close()
}

func TestFullDiskLeavesTheStateUsable(t *testing.T) {
	t.Parallel()
	_, lines := child(t, "full", t.TempDir())
	await(t, lines, "usable")
}
