package config

// The references in docs/ are made from the keys of this package, among others.
//go:generate go run ../internal/gen
