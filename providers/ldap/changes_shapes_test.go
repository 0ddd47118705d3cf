package ldap

import (
	"testing"

	ber "github.com/go-asn1-ber/asn1-ber"
	ldap "github.com/go-ldap/ldap/v3"
)

// TestTheShapesOfARefreshAreReadAsTheyAreMeant holds go-ldap to what slapd sends. Up to
// v3.4.14 it read the first one as a cookie of one byte and refreshDeletes false, and
// lost the ids of the second, so that everybody would have been taken for deleted.
func TestTheShapesOfARefreshAreReadAsTheyAreMeant(t *testing.T) {
	t.Parallel()
	done, err := ldap.NewControlSyncDone(ber.DecodePacket([]byte{0x30, 3, 0x01, 1, 0xff}))
	if err != nil || len(done.Cookie) != 0 || !done.RefreshDeletes {
		t.Errorf("nothing changed: %+v, %v", done, err)
	}
	done, err = ldap.NewControlSyncDone(ber.DecodePacket([]byte{0x30, 3, 0x04, 1, 'c'}))
	if err != nil || string(done.Cookie) != "c" || done.RefreshDeletes {
		t.Errorf("the unmentioned are gone: %+v, %v", done, err)
	}
	id := []byte{0x18, 0xa3, 0xf8, 0xf4, 0x79, 0xf5, 0x10, 0x41, 0x90, 0x50, 0xe1, 0xae, 0x8c, 0x95, 0xa3, 0xa3}
	set := append([]byte{0x31, 18, 0x04, 16}, id...)
	info, err := ldap.NewControlSyncInfo(ber.DecodePacket(append([]byte{0xa3, 20}, set...)))
	if err != nil || info.SyncIdSet == nil || info.SyncIdSet.RefreshDeletes || len(info.SyncIdSet.SyncUUIDs) != 1 || info.SyncIdSet.SyncUUIDs[0].String() != "18a3f8f4-79f5-1041-9050-e1ae8c95a3a3" {
		t.Errorf("what is left: %+v, %v", info, err)
	}
	info, err = ldap.NewControlSyncInfo(ber.DecodePacket(append([]byte{0xa3, 26, 0x04, 1, 'c', 0x01, 1, 0xff}, set...)))
	if err != nil || info.SyncIdSet == nil || !info.SyncIdSet.RefreshDeletes || len(info.SyncIdSet.SyncUUIDs) != 1 || string(info.SyncIdSet.Cookie) != "c" {
		t.Errorf("what was deleted: %+v, %v", info, err)
	}
}
