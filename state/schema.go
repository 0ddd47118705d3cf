package state

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
)

// The store is one bbolt file. Buckets end with a slash; everything else is a record
// in the envelope of record.go. Numbers in keys are four bytes, highest first.
//
//	meta/
//	    schema                      version of this picture (its form never changes)
//	    instance                    id of this state, time of its creation
//	    health                      troubles of sources and targets, what people were told of
//	    applied                     sum of the configuration that the last run of everything was for
//	sources/
//	    ID                          name, place, scope, last start, last complete read
//	replica/
//	    SOURCE/
//	        head                    times of the complete reads, cursor, number of rows
//	        u NUMBER                512 users
//	        g NUMBER                one group with its members
//	        missing                 users and groups that complete lists did not show
//	        deleted                 users and groups that the source says were deleted
//	target/
//	    NAME/
//	        head                    serial, default permissions, and the mirror's own fields
//	        accounts/
//	            NUMBER              512 accounts of Open WebUI
//	        mirror/
//	            GROUP               group of Open WebUI, members of its last verified reading
//	        resources/
//	            TYPE \0 ID         model, knowledge, prompt, tool or skill with its grants
//	        people/
//	            SOURCE \0 ID        account of a directory user
//	        links/
//	            RULE \0 TO \0 SOURCE \0 ID     Open WebUI group of a wanted group
//	        owned/
//	            GROUP               members who are there because of us
//	        roles/
//	            ACCOUNT             role that we gave, and the one before us
//	        grants/
//	            TYPE \0 ID         grants of a resource that are there because of us
//	        lost/
//	            GROUP               members found after our state was lost, not decided yet
//	        losses/ tombstones/     lists in order: 256 entries under each NUMBER
//	        holds/ approvals/ accepted/        lists in order: one entry under each NUMBER
//	        scopes/
//	            SOURCE              accepted scope and size
//	        intents/
//	            RUN/
//	                plan            hash of the plan, time, ids of the accounts named below
//	                NUMBER          one call that is about to be made
//	runs/
//	    ID                          report without its changes; ids sort by time
//	changes/
//	    ID                          changes of that report, compressed when large
//	deliveries/
//	    WEBHOOK \0 ID               until when it counts as known, the run that it led to
//	pushed/
//	    SOURCE/
//	        KEY                     a record of what the provider put into the source, in its own form;
//	                                !restored: the store comes from a backup
//	notices/
//	    head                        what services outside were told of, up to which record of the audit
//	    NUMBER                      a notice that has not arrived yet; this number has eight bytes
//	audit/
//	    head                        number and hash of the last record
//	    anchor                      number and hash of the last one dropped by its age
//	    forwarded                   where records were passed on to, and up to which
//	    records/
//	        NUMBER                  one event with its hash; this number has eight bytes
//
// A target is present from its first saved part on, and then has a head.
const (
	bucketMeta    = "meta"
	bucketSources = "sources"
	bucketReplica = "replica"
	bucketTarget  = "target"
	bucketRuns    = "runs"
	bucketChanges = "changes"
	bucketAudit   = "audit"
	// bucketDeliveries has what webhooks brought.
	bucketDeliveries = "deliveries"
	// bucketPushed has what providers put into sources.
	bucketPushed = "pushed"
	// bucketNotices has what services outside were told of, and what waits for them.
	bucketNotices = "notices"

	keySchema    = "schema"
	keyInstance  = "instance"
	keyHealth    = "health"
	keyApplied   = "applied"
	keyHead      = "head"
	keyMissing   = "missing"
	keyDeleted   = "deleted"
	keyPlan      = "plan"
	keyAnchor    = "anchor"
	keyForwarded = "forwarded"

	prefixUsers = 'u'
	prefixGroup = 'g'

	partAccounts   = "accounts"
	partMirror     = "mirror"
	partPeople     = "people"
	partLinks      = "links"
	partOwned      = "owned"
	partResources  = "resources"
	partRoles      = "roles"
	partGrants     = "grants"
	partLost       = "lost"
	partLosses     = "losses"
	partHolds      = "holds"
	partApprovals  = "approvals"
	partAccepted   = "accepted"
	partScopes     = "scopes"
	partTombstones = "tombstones"
	partIntents    = "intents"

	partRecords = "records"
)

// schemaVersion is the version of the picture above.
const schemaVersion = 7

// chunkRows is how many users or accounts go into one record: large enough that the
// cost of a record does not show, small enough that a changed row rewrites little.
const chunkRows = 512

// rootBuckets are made together with the file.
func rootBuckets() []string {
	return []string{bucketMeta, bucketSources, bucketReplica, bucketTarget, bucketRuns, bucketChanges, bucketAudit, bucketDeliveries, bucketPushed, bucketNotices}
}

// targetParts are the buckets of a target.
func targetParts() []string {
	return []string{partAccounts, partMirror, partResources, partPeople, partLinks, partOwned, partRoles, partGrants, partLost, partLosses, partHolds,
		partApprovals, partAccepted, partScopes, partTombstones, partIntents}
}

// knownBucket reports whether the picture has a bucket at this path.
func knownBucket(path []string) bool {
	switch len(path) {
	case 1:
		return slices.Contains(rootBuckets(), path[0])
	case 2:
		return path[0] == bucketReplica || path[0] == bucketTarget || path[0] == bucketPushed || path[0] == bucketAudit && path[1] == partRecords
	case 3:
		return path[0] == bucketTarget && slices.Contains(targetParts(), path[2])
	case 4:
		return path[0] == bucketTarget && path[2] == partIntents
	}
	return false
}

// place names a bucket in messages and under the checksum.
func place(path ...string) string { return strings.Join(path, "/") }

// number gives the key of a row, chunk or list entry.
func number(n int) []byte { return binary.BigEndian.AppendUint32(nil, uint32(n)) }

// prefixed gives the key of a row or chunk of one of two tables in a bucket.
func prefixed(prefix byte, n int) []byte {
	return binary.BigEndian.AppendUint32([]byte{prefix}, uint32(n))
}

// chunks gives how many records a table of that many rows takes.
func chunks(rows int) int { return (rows + chunkRows - 1) / chunkRows }

// joinKey joins the parts of a key. Only the last part may hold a NUL byte, so that
// splitKey finds the parts again.
func joinKey(parts ...string) ([]byte, error) {
	for _, p := range parts[:len(parts)-1] {
		if strings.IndexByte(p, 0) >= 0 {
			return nil, fmt.Errorf("the key %q holds a NUL byte", p)
		}
	}
	return []byte(strings.Join(parts, "\x00")), nil
}

// splitKey splits a key into exactly n parts.
func splitKey(key []byte, n int) ([]string, error) {
	parts := strings.SplitN(string(key), "\x00", n)
	if len(parts) != n {
		return nil, fmt.Errorf("the key has %d parts instead of %d", len(parts), n)
	}
	return parts, nil
}
