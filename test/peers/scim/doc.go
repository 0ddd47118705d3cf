// Package scim holds the tests of SCIM sources against real servers: scim2-server, scimmy, and
// Open WebUI's own. They carry the build tag peers.
package scim
