// Package apitest is what the in-process servers of all HTTP sources share: serving them over
// loopback or over connections in memory, breaking them on purpose, throttling them as a vendor
// does, and a directory of the size that every source has to manage.
//
// It knows no API. A fake hands its handler over, says which requests are which, and gets the
// same faults as every other.
package apitest
