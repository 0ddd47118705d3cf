package openwebuitest

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
)

// shape is how a version of Open WebUI behaves where versions differ. Each entry was
// observed on a running server of that version.
type shape struct {
	// userIDs: members stand in the group itself, without a count.
	userIDs bool
	// noExport: there is no export call; the web page answers.
	noExport bool
	// emptyExportFails: the export of a group without members is a server error.
	emptyExportFails bool
	// hierarchy: groups have a parent.
	hierarchy bool
	// ignoresData: an update leaves data alone. mergesData: an update merges it in two
	// levels. Neither: an update replaces it.
	ignoresData, mergesData bool
	// sharesByDefault: a created group gets data.config.share.
	sharesByDefault bool
	// goneRead and goneWrite are the answers for a group that does not exist, and
	// goneDelete says whether deleting one is an error.
	goneRead, goneWrite int
	goneDelete          bool
	// emptyRemoveBumps: removing nobody sets updated_at.
	emptyRemoveBumps bool
	// oldestFirst: accounts come oldest first unless an order is asked for.
	oldestFirst bool
	// oauthSub: the sign-in subject is one string instead of an object.
	oauthSub bool
	scim     bool
	groupIDs bool
	// ownStatus: a key can read its own account by /users/user/status; keyOnAuths: by
	// /auths/.
	ownStatus, keyOnAuths bool
	// oauthPage: the settings of sign-in by OAuth are shown; ldapGroups: those of LDAP say
	// whether it manages groups.
	oauthPage, ldapGroups bool
	// xAPIKey: the key may come in a header of its own.
	xAPIKey bool
	// info: the info call exists.
	info       bool
	deployment bool
	// events: event webhooks exist.
	events bool
	// accessControl: who may use something stands inside it. grantMakesModel: the first
	// grant makes the row of a model. checksAudience: grants for everybody without an
	// account are refused; before, they are left out.
	accessControl, grantMakesModel, checksAudience bool
	// roleAlone: a role is changed without the other fields. checksPicture: a picture at an
	// address is refused then.
	roleAlone, checksPicture bool
	// revokes: the sign-ins of others can be ended. previews: what somebody may use is told.
	revokes, previews bool
	// shipped are the default permissions of the version. fillsDefaults: what the stored
	// ones leave out is as shipped. publicByForm: sharing.public_tools and public_notes are
	// on where the form leaves them out.
	shipped                     json.RawMessage
	fillsDefaults, publicByForm bool
	// primaryAdmin is the answer to deleting the oldest administrator.
	primaryAdmin int
}

func shapeOf(version string) shape {
	v := numbers(version)
	since := func(text string) bool { return !less(v, numbers(text)) }
	s := shape{
		userIDs: !since("0.6.37"), noExport: !since("0.6.41"), emptyExportFails: !since("0.8.0"),
		hierarchy: since("0.12.0"), ignoresData: !since("0.6.37"), mergesData: since("0.12.0"),
		sharesByDefault: since("0.8.12"), goneRead: http.StatusUnauthorized, goneWrite: http.StatusBadRequest,
		goneDelete: since("0.12.0"), emptyRemoveBumps: !since("0.6.37") || since("0.12.0"),
		oldestFirst: since("0.7.2") && !since("0.11.0"), oauthSub: !since("0.6.41"), scim: since("0.8.12"),
		groupIDs: since("0.6.37"), ownStatus: since("0.8.0"), keyOnAuths: !since("0.12.0"),
		xAPIKey: since("0.9.0"), events: since("0.10.0"), info: since("0.8.0"), deployment: since("0.6.37"),
		accessControl: !since("0.8.0"), grantMakesModel: since("0.8.12"), checksAudience: since("0.12.4"),
		roleAlone: since("0.9.0"), checksPicture: since("0.8.0") && !since("0.9.0"), revokes: since("0.12.0"), previews: since("0.9.6"),
		oauthPage: since("0.10.0"), ldapGroups: since("0.11.0"),
		shipped: permissionsOf(version), fillsDefaults: since("0.12.0"), publicByForm: !since("0.11.0"),
		primaryAdmin: http.StatusInternalServerError,
	}
	if since("0.12.0") {
		s.goneRead, s.goneWrite = http.StatusNotFound, http.StatusNotFound
	}
	if since("0.9.6") {
		s.primaryAdmin = http.StatusForbidden
	}
	return s
}

// AtLeast reports whether a version is another or a later one.
func AtLeast(version, other string) bool { return !less(numbers(version), numbers(other)) }

// numbers reads the leading numbers of a version; anything that is none ends it.
func numbers(version string) [3]int {
	var v [3]int
	for i, part := range strings.SplitN(strings.TrimPrefix(version, "v"), ".", 3) {
		n, err := strconv.Atoi(part)
		if err != nil {
			return v
		}
		v[i] = n
	}
	return v
}

func less(a, b [3]int) bool {
	for i := range a {
		if a[i] != b[i] {
			return a[i] < b[i]
		}
	}
	return false
}
