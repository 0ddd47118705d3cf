// Package incident holds one test for each failure of other programs of this kind that
// became public and took access from people, or could have: lost groups, emptied groups,
// blocked users. Each test is named after the incident, tells it in our words with its
// source (project and issue), and fails when the guard of ours that stops it is switched
// off. test/mutation switches them off, one at a time, and looks.
//
// The tests go through the real engine with the real replica, mapping, plan and guard,
// and with the real LDAP reader and the real client of Open WebUI where the incident is
// about reading or writing.
package incident
