package proc

import (
	"errors"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
)

const status = "Name:\tgroupsyncd\nVmHWM:\t   51200 kB\nVmRSS:\t   40960 kB\nRssAnon:\t   30720 kB\nRssFile:\t    9216 kB\nRssShmem:\t    1024 kB\nThreads:\t9\n"

func TestMemoryIsReadFromAStatus(t *testing.T) {
	t.Parallel()
	got, err := parse([]byte(status))
	if want := (Memory{Resident: 40 << 20, Peak: 50 << 20, Mapped: 10 << 20}); err != nil || got != want {
		t.Errorf("%+v, %v", got, err)
	}
}

// A number that is not there must not look like a process that needs nothing.
func TestWhatIsNoStatusIsAnError(t *testing.T) {
	t.Parallel()
	for why, text := range map[string]string{
		"nothing":               "",
		"a process that ended":  "Name:\tgroupsyncd\nState:\tZ (zombie)\n",
		"one line is missing":   strings.Replace(status, "RssShmem", "RssOther", 1),
		"another unit":          strings.Replace(status, "40960 kB", "40 MB", 1),
		"no number":             strings.Replace(status, "40960", "many", 1),
		"a line without a word": strings.Replace(status, "   40960 kB", "", 1),
	} {
		if m, err := parse([]byte(text)); err == nil {
			t.Errorf("%s: %+v", why, m)
		}
	}
}

func TestAProcessIsMeasured(t *testing.T) {
	t.Parallel()
	for who, p := range map[string]Process{"this one": Self, "the same by its id": Of(os.Getpid())} {
		m, err := p.Memory()
		if err != nil || m.Resident < 1<<20 || m.Peak < m.Mapped || m.Mapped <= 0 {
			t.Errorf("%s: %+v, %v", who, m, err)
		}
	}
}

func TestThePeakBeginsAnew(t *testing.T) {
	const size = 64 << 20
	large, err := syscall.Mmap(-1, 0, size, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < size; i += os.Getpagesize() {
		large[i] = 1
	}
	if err := syscall.Munmap(large); err != nil {
		t.Fatal(err)
	}
	before, err := Self.Memory()
	if err != nil {
		t.Fatal(err)
	}
	if err := Self.ResetPeak(); err != nil {
		t.Fatal(err)
	}
	if after, err := Self.Memory(); err != nil || before.Peak < size || after.Peak > before.Peak-size/2 {
		t.Errorf("the peak was %d and is %d, %v", before.Peak, after.Peak, err)
	}
}

// A child is counted: this process opens files in other tests too.
func TestDescriptorsAreCounted(t *testing.T) {
	t.Parallel()
	cmd := exec.CommandContext(t.Context(), "cat")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	const more = 10
	for range more {
		cmd.ExtraFiles = append(cmd.ExtraFiles, os.Stdin)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if n, err := Of(cmd.Process.Pid).Descriptors(); err != nil || n < 3+more {
		t.Errorf("%d descriptors, %v", n, err)
	}
	if err := errors.Join(in.Close(), cmd.Wait()); err != nil {
		t.Error(err)
	}
	if m, err := Of(cmd.Process.Pid).Memory(); err == nil {
		t.Errorf("a process that is gone has %+v", m)
	}
	if _, err := Of(cmd.Process.Pid).Descriptors(); err == nil {
		t.Error("the descriptors of a process that is gone are counted")
	}
}
