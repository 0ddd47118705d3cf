package state

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"

	"groupsyncd/internal/fault"
	"groupsyncd/sync/run"

	"go.etcd.io/bbolt"
)

// The history keeps this many reports, and fewer when their changes would take more
// than that many bytes; the newest always stays. Runs of one person, of which there may be
// many in a minute, are kept beside the others and not in their place.
const (
	maxRuns      = 1000
	maxRunsBytes = 256 << 20
)

// compressFrom is the size from which a packed record is compressed.
const compressFrom = 4 << 10

// The first byte of what pack makes.
const (
	packedPlain = iota
	packedGzip
)

// SaveRun stores a report, or stores it again, with what the audit says of it, and drops the
// oldest beyond what the history keeps. The order of runs is that of their ids, which begin
// with the time.
func (db *DB) SaveRun(r *run.Report, events ...run.Event) error {
	head := *r
	head.Targets = nil
	changes := make([][]run.Change, len(r.Targets))
	for i := range r.Targets {
		t := r.Targets[i]
		changes[i], t.Changes = t.Changes, nil
		head.Targets = append(head.Targets, t)
	}
	if r.Targets != nil && head.Targets == nil {
		head.Targets = []run.TargetReport{}
	}
	report, err := toJSON(head)
	if err != nil {
		return err
	}
	packed, err := packChanges(changes)
	if err != nil {
		return err
	}
	err = db.update("save run", func(tx *bbolt.Tx) error {
		reports, err := makeBox(tx, bucketRuns)
		if err != nil {
			return err
		}
		details, err := makeBox(tx, bucketChanges)
		if err != nil {
			return err
		}
		key := []byte(r.Run)
		if err := reports.put(key, report); err != nil {
			return err
		}
		if err := details.put(key, packed); err != nil {
			return err
		}
		if err := db.appendEvents(tx, events); err != nil {
			return err
		}
		return db.dropOldest(reports, details, maxRuns, maxRunsBytes)
	})
	db.audited(err, events)
	return err
}

func packChanges(changes [][]run.Change) ([]byte, error) {
	plain, err := toJSON(changes)
	if err != nil {
		return nil, err
	}
	return pack(plain)
}

// pack compresses a payload when it is large.
func pack(plain []byte) ([]byte, error) {
	if len(plain) < compressFrom {
		return append([]byte{packedPlain}, plain...), nil
	}
	var b bytes.Buffer
	b.WriteByte(packedGzip)
	z := gzip.NewWriter(&b)
	if _, err := z.Write(plain); err != nil {
		return nil, fmt.Errorf("compress record: %w", err)
	}
	if err := z.Close(); err != nil {
		return nil, fmt.Errorf("compress record: %w", err)
	}
	return b.Bytes(), nil
}

func unpackChanges(payload []byte) ([][]run.Change, error) {
	text, err := unpack(payload)
	if err != nil {
		return nil, err
	}
	var changes [][]run.Change
	if err := fromJSON(text, &changes); err != nil {
		return nil, err
	}
	return changes, nil
}

// unpack gives what pack was given.
func unpack(payload []byte) ([]byte, error) {
	if len(payload) == 0 {
		return nil, errShort
	}
	switch payload[0] {
	case packedPlain:
		return payload[1:], nil
	case packedGzip:
		z, err := gzip.NewReader(bytes.NewReader(payload[1:]))
		if err != nil {
			return nil, fmt.Errorf("decompress record: %w", err)
		}
		text, err := io.ReadAll(z)
		if err != nil {
			return nil, fmt.Errorf("decompress record: %w", err)
		}
		return text, nil
	}
	return nil, fmt.Errorf("the form %d is unknown", payload[0])
}

// dropOldest keeps the newest runs that fit into both limits: of runs of one person, and of
// all others.
func (db *DB) dropOldest(reports, details *box, most, mostBytes int) error {
	var all, singles, others tally
	sizes(reports, details, func(_ []byte, size int) { all.add(size) })
	if !all.over(most, mostBytes) {
		return nil // Then neither kind alone is too much.
	}
	var gone []change
	sizes(reports, details, func(key []byte, size int) {
		of := &others
		if db.single(reports, key) {
			of = &singles
		}
		if of.add(size); of.over(most, mostBytes) {
			gone = append(gone, change{key: bytes.Clone(key)})
		}
	})
	for _, g := range gone {
		delete(db.singles, string(g.key))
	}
	return errors.Join(reports.change(gone), details.change(gone))
}

// sizes calls each with every run and the bytes that it takes, the newest first.
func sizes(reports, details *box, each func(key []byte, size int)) {
	c, d := reports.b.Cursor(), details.b.Cursor()
	beside, value := d.Last()
	for key, report := c.Last(); key != nil; key, report = c.Prev() {
		for beside != nil && bytes.Compare(beside, key) > 0 {
			beside, value = d.Prev()
		}
		size := len(report)
		if bytes.Equal(beside, key) {
			size += len(value)
		}
		each(key, size)
	}
}

// tally counts runs and their bytes, the newest first.
type tally struct{ kept, size int }

func (t *tally) add(size int) {
	t.kept++
	t.size += size
}

// over reports whether the run that was added last is one too many.
func (t *tally) over(most, mostBytes int) bool {
	return t.kept > 1 && (t.kept > most || t.size > mostBytes)
}

// single reports whether a run was one of a single person. One that cannot be read counts
// as any other. Called by one writer at a time, which is the one who knows.
func (db *DB) single(reports *box, key []byte) bool {
	is, known := db.singles[string(key)]
	if known {
		return is
	}
	var r struct {
		User string `json:"user"`
	}
	if _, err := reports.getJSON(key, &r); err != nil {
		return false
	}
	if db.singles == nil {
		db.singles = map[string]bool{}
	}
	db.singles[string(key)] = r.User != ""
	return r.User != ""
}

// Run loads a report by its id or a unique beginning of it; fault.NotFound when there
// is none, fault.Invalid when there are several.
func (db *DB) Run(id string) (*run.Report, error) {
	var found *run.Report
	err := db.view("load run", func(tx *bbolt.Tx) error {
		reports := find(tx, bucketRuns)
		key, err := uniqueKey(reports, id)
		if err != nil {
			return err
		}
		found, err = loadRun(reports, find(tx, bucketChanges), key)
		return err
	})
	if err != nil {
		return nil, err
	}
	return found, nil
}

// uniqueKey finds the id that is meant.
func uniqueKey(x *box, id string) ([]byte, error) {
	missing := fault.New(fault.NotFound, "load run", id, errors.New("there is no such run"), "`groupsyncd history` lists the runs that are kept.")
	if x == nil || id == "" {
		return nil, missing
	}
	c := x.b.Cursor()
	key, _ := c.Seek([]byte(id))
	if !bytes.HasPrefix(key, []byte(id)) {
		return nil, missing
	}
	if next, _ := c.Next(); string(key) != id && bytes.HasPrefix(next, []byte(id)) {
		return nil, fault.New(fault.Invalid, "load run", id, fmt.Errorf("several runs begin so, among them %s and %s", key, next), "Give more of the id.")
	}
	return bytes.Clone(key), nil
}

func loadRun(reports, details *box, key []byte) (*run.Report, error) {
	var r run.Report
	if _, err := reports.getJSON(key, &r); err != nil {
		return nil, err
	}
	payload, err := details.need(key)
	if err != nil {
		return nil, err
	}
	changes, err := unpackChanges(payload)
	if err == nil && len(changes) != len(r.Targets) {
		err = fmt.Errorf("it is about %d targets instead of %d", len(changes), len(r.Targets))
	}
	if err != nil {
		return nil, details.bad(key, err)
	}
	for i := range changes {
		r.Targets[i].Changes = changes[i]
	}
	return &r, nil
}

// Runs gives the newest reports, newest first, without their changes; a limit of zero
// gives all.
func (db *DB) Runs(limit int) ([]run.Report, error) {
	var found []run.Report
	err := db.view("load runs", func(tx *bbolt.Tx) error {
		reports := find(tx, bucketRuns)
		if reports == nil {
			return nil
		}
		c := reports.b.Cursor()
		for key, _ := c.Last(); key != nil && (limit <= 0 || len(found) < limit); key, _ = c.Prev() {
			var r run.Report
			if _, err := reports.getJSON(key, &r); err != nil {
				return err
			}
			found = append(found, r)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return found, nil
}
