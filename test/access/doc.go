// Package access compares what groupsyncd says that people may do with what the simulated
// Open WebUI answers each of them, in the shapes of its versions.
package access
