package openwebui

import (
	"context"
	"fmt"

	"groupsyncd/providers"
)

// Feature is something in which the supported versions differ. All of them do the main job:
// groups, members, permissions, roles and grants.
type Feature struct {
	// Name is how tables call it.
	Name string
	// Since is the first version that has it.
	Since string
	// Without says what we do on versions before that.
	Without string
}

// The features that something here depends on by name.
const (
	roleAlone     = "a role changed without the other fields of the account"
	eventHooks    = "event webhooks"
	oauthSettings = "its OAuth settings can be read"
	ldapSettings  = "its LDAP group settings can be read"
	parents       = "a group has a parent"
	defaultModels = "a group has default models"
	endsSessions  = "sign-in sessions can be ended"
)

// Features lists them in the order of the versions that brought them. docs/open-webui-versions.md
// shows the same, and package suite tries each on simulators and real servers.
func Features() []Feature {
	return []Feature{
		{"the first grant makes the row of a provider's model", "0.8.12", "a grant for a model without a row fails and says so"},
		{roleAlone, "0.9.0", "name, mail and picture are sent along as they are; a picture at an address becomes the standard one"},
		{"what an account may use is counted", "0.9.6", "whether a list shows everything is told by the list itself, where it does"},
		{eventHooks, "0.10.0", "`webhook setup` refuses; sign-ins are noticed by `watch`"},
		{oauthSettings, "0.10.0", "whether its own OAuth group sync is on cannot be told: said in each run and by doctor"},
		{ldapSettings, "0.11.0", "where sign-in by LDAP is on, the same for its LDAP group sync"},
		{parents, "0.12.0", "`parent` has no effect: said in each run and by doctor"},
		{defaultModels, "0.12.0", "`default_models` has no effect: said in each run and by doctor"},
		{endsSessions, "0.12.0", "`revoke_sessions` has no effect: whoever is pending is refused all the same"},
		{"an update keeps the keys of data that it does not name", "0.12.0", "the whole data is read and sent back, our mark in it"},
		{"a group that is gone is answered 404", "0.12.0", "the list of groups decides, as it does for every version"},
		{"a deleted group leaves no grants behind", "0.12.0", "nothing: groupsyncd deletes no groups, and the rest gives nobody anything"},
	}
}

// has reports whether a version has a feature. A version of no known form, as forks have,
// is taken for a new one: its answers tell.
func has(version, feature string) bool {
	v, ok := parseVersion(version)
	for _, f := range Features() {
		if since, _ := parseVersion(f.Since); f.Name == feature && ok && older(v, since) {
			return false
		}
	}
	return true
}

// since gives the first version with a feature.
func since(feature string) string {
	for _, f := range Features() {
		if f.Name == feature {
			return f.Since
		}
	}
	return oldestText
}

// latest is the newest version with which the tests against real servers are run.
const latest = "0.12.4"

// untested reports whether a version is of a later line than the newest that was tested:
// another patch of the same line is not.
func untested(version string) bool {
	v, ok := parseVersion(version)
	tested, _ := parseVersion(latest)
	return ok && older(tested, [3]int{v[0], v[1], 0})
}

const untestedHint = "look for a newer groupsyncd; what it does not understand it refuses, it guesses nothing"

// sayUntested logs once that a server is newer than those we know.
func (c *Client) sayUntested(version string) {
	if !untested(version) {
		return
	}
	if said := c.said.Swap(&version); said == nil || *said != version {
		c.log.Warn("this Open WebUI is newer than those that groupsyncd was tested with", "version", version, "tested", latest)
	}
}

// running gives the version of the server, asked for once in a session.
func (s *Session) running(ctx context.Context) (string, error) {
	s.learned.mu.Lock()
	version := s.learned.version
	s.learned.mu.Unlock()
	if version != "" {
		return version, nil
	}
	v, err := s.version(ctx)
	if err != nil {
		return "", err
	}
	return v.Version, nil
}

// checkVersion says what of the configuration this version cannot do.
func checkVersion(version string, expect *Expect, found *findings) {
	const check = "version"
	before := len(*found)
	if untested(version) {
		found.add(providers.Warning, check, "Open WebUI "+version+" is newer than "+latest+", the latest that groupsyncd was tested with", untestedHint)
	}
	for _, want := range []struct {
		wanted  bool
		feature string
		what    string
	}{
		{expect.Parents, parents, "`parent` has no effect: groups stay at the top level"},
		{expect.DefaultModels, defaultModels, "`default_models` has no effect"},
	} {
		if want.wanted && !has(version, want.feature) {
			found.add(providers.Warning, check, fmt.Sprintf("in Open WebUI %s %s", version, want.what), "upgrade Open WebUI to "+since(want.feature)+" or later, or take the key out")
		}
	}
	if expect.Revokes && !has(version, endsSessions) {
		found.add(providers.OK, check, "Open WebUI "+version+" cannot end sign-in sessions: whoever becomes pending is refused at once, and whoever comes back finds the old sign-in open", "")
	}
	if len(*found) == before {
		found.add(providers.OK, check, "Open WebUI "+version+" has everything that the configuration uses", "")
	}
}
