package state

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"time"

	"groupsyncd/internal/fault"
	"groupsyncd/sync/run"

	"go.etcd.io/bbolt"
)

const (
	// maxDeliveries bounds how many deliveries are remembered. When there are more, those
	// go that would be forgotten first: what they do once more does no harm.
	maxDeliveries = 100_000
	// firstPrune is how many there are before old ones are looked for.
	firstPrune = 1024
	// maxDeliveryKey bounds the names and ids of deliveries and their runs.
	maxDeliveryKey = 128
)

// Delivered says whether a webhook brought that before, and to which run it led.
func (db *DB) Delivered(webhook, id string, now time.Time) (led string, before bool, err error) {
	key, err := joinKey(webhook, id)
	if err != nil {
		return "", false, err
	}
	err = db.view("look for delivery", func(tx *bbolt.Tx) error {
		x := find(tx, bucketDeliveries)
		payload, err := x.get(key)
		if payload == nil || err != nil {
			return err
		}
		until, text, err := readDelivery(payload)
		if err != nil {
			return x.bad(key, err)
		}
		led, before = text, now.Before(until)
		return nil
	})
	if err != nil || !before {
		return "", false, err
	}
	return led, true, nil
}

// SaveDeliveries remembers several at once, and forgets what is too old.
func (db *DB) SaveDeliveries(list []run.Delivery, now time.Time) error {
	keys := make([][]byte, len(list))
	for i, d := range list {
		if d.ID == "" || len(d.Webhook) > maxDeliveryKey || len(d.ID) > maxDeliveryKey || len(d.Run) > maxDeliveryKey {
			return fault.Errorf(fault.Invalid, "save deliveries", d.Webhook, "an id is missing or too long")
		}
		key, err := joinKey(d.Webhook, d.ID)
		if err != nil {
			return fault.New(fault.Invalid, "save deliveries", d.Webhook, err, "")
		}
		keys[i] = key
	}
	return db.update("save deliveries", func(tx *bbolt.Tx) error {
		x, err := makeBox(tx, bucketDeliveries)
		if err != nil {
			return err
		}
		added := 0
		for i, d := range list {
			if x.b.Get(keys[i]) == nil {
				added++
			}
			payload := binary.BigEndian.AppendUint64(nil, uint64(max(d.Until.Unix(), 0)))
			if err := x.put(keys[i], append(payload, d.Run...)); err != nil {
				return err
			}
		}
		// The sequence of the bucket counts its records, so that nobody has to.
		count := int(x.b.Sequence()) + added
		if count >= max(firstPrune, db.pruneAt) {
			if count, err = pruneDeliveries(x, now); err != nil {
				return err
			}
			db.pruneAt = min(2*count, maxDeliveries)
		}
		return x.b.SetSequence(uint64(count))
	})
}

func readDelivery(payload []byte) (until time.Time, led string, err error) {
	if len(payload) < 8 {
		return until, "", errors.New("it is too short")
	}
	return time.Unix(int64(binary.BigEndian.Uint64(payload)), 0), string(payload[8:]), nil
}

// pruneDeliveries forgets what is too old, and of the rest, where it is too much, a tenth.
// It gives how many are left.
func pruneDeliveries(x *box, now time.Time) (int, error) {
	type kept struct {
		key   []byte
		until time.Time
	}
	var old [][]byte
	var live []kept
	err := x.each(func(key, payload []byte) error {
		until, _, err := readDelivery(payload)
		switch {
		case err != nil:
			return err
		case !now.Before(until):
			old = append(old, slices.Clone(key))
		default:
			live = append(live, kept{slices.Clone(key), until})
		}
		return nil
	})
	if err != nil {
		return 0, err
	}
	if len(live) >= maxDeliveries {
		slices.SortFunc(live, func(a, b kept) int { return cmp.Or(a.until.Compare(b.until), slices.Compare(a.key, b.key)) })
		over := len(live) - maxDeliveries*9/10
		for _, k := range live[:over] {
			old = append(old, k.key)
		}
		live = live[over:]
	}
	for _, key := range old {
		if err := x.delete(key); err != nil {
			return 0, err
		}
	}
	return len(live), nil
}

// checkDeliveries reads them all.
func (db *DB) checkDeliveries() error {
	return db.view("check deliveries", func(tx *bbolt.Tx) error {
		x := find(tx, bucketDeliveries)
		count := 0
		err := x.each(func(key, payload []byte) error {
			count++
			if _, err := splitKey(key, 2); err != nil {
				return err
			}
			_, _, err := readDelivery(payload)
			return err
		})
		if err == nil && x != nil && x.b.Sequence() != uint64(count) {
			err = fmt.Errorf("bucket %s counts %d records and has %d", x.path, x.b.Sequence(), count)
			return damaged("check deliveries", db.path, err)
		}
		return err
	})
}
