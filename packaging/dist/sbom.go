package main

import (
	"bytes"
	"crypto/sha1"
	"crypto/sha256"
	"debug/buildinfo"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"os"
	"runtime/debug"
	"strings"
	"time"

	cdx "github.com/CycloneDX/cyclonedx-go"
)

// parts lists what a program is made of, as CycloneDX in JSON: what the Go toolchain left
// in the program is the whole truth about a static binary.
func (m *maker) parts(program string) ([]byte, error) {
	info, err := buildinfo.ReadFile(program)
	if err != nil {
		return nil, err
	}
	text, err := os.ReadFile(program)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(text)
	bom := m.bom(info, hex.EncodeToString(sum[:]))
	var out bytes.Buffer
	if err := cdx.NewBOMEncoder(&out, cdx.BOMFileFormatJSON).SetPretty(true).Encode(bom); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

func (m *maker) bom(info *debug.BuildInfo, sum string) *cdx.BOM {
	self := cdx.Component{
		BOMRef: "groupsyncd", Type: cdx.ComponentTypeApplication, Name: "groupsyncd", Version: m.version,
		PackageURL: "pkg:generic/groupsyncd@" + m.version,
		Licenses:   &cdx.Licenses{{License: &cdx.License{ID: "MIT"}}},
		Hashes:     &[]cdx.Hash{{Algorithm: cdx.HashAlgoSHA256, Value: sum}},
		Properties: &[]cdx.Property{{Name: "groupsyncd:revision", Value: m.revision}},
	}
	std := cdx.Component{
		BOMRef: "std", Type: cdx.ComponentTypeLibrary, Name: "std", Version: info.GoVersion,
		PackageURL: "pkg:golang/std@" + strings.TrimPrefix(info.GoVersion, "go"),
	}
	components, refs := []cdx.Component{std}, []string{std.BOMRef}
	for _, module := range info.Deps {
		if module.Replace != nil {
			module = module.Replace
		}
		component := cdx.Component{
			BOMRef: "pkg:golang/" + module.Path + "@" + module.Version, Type: cdx.ComponentTypeLibrary,
			Name: module.Path, Version: module.Version, PackageURL: "pkg:golang/" + module.Path + "@" + module.Version,
		}
		// That of go.sum is a SHA-256 over the names and sums of the module's files.
		if hash, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(module.Sum, "h1:")); err == nil && len(hash) == sha256.Size {
			component.Hashes = &[]cdx.Hash{{Algorithm: cdx.HashAlgoSHA256, Value: hex.EncodeToString(hash)}}
		}
		components, refs = append(components, component), append(refs, component.BOMRef)
	}
	bom := cdx.NewBOM()
	bom.SerialNumber = serial("groupsyncd " + m.version + " " + sum)
	bom.Metadata = &cdx.Metadata{
		Timestamp: m.time.Format(time.RFC3339), Component: &self,
		Tools: &cdx.ToolsChoice{Components: &[]cdx.Component{{Type: cdx.ComponentTypeApplication, Name: "groupsyncd/packaging/dist", Version: m.version}}},
	}
	bom.Components = &components
	bom.Dependencies = &[]cdx.Dependency{{Ref: self.BOMRef, Dependencies: &refs}}
	return bom
}

// serial is a UUID (of RFC 9562, version 5) that follows from a name: two builds of the
// same have the same.
func serial(name string) string {
	sum := sha1.Sum([]byte(name)) // A name made of a name, no protection.
	id := sum[:16]
	id[6] = id[6]&0x0f | 0x50
	id[8] = id[8]&0x3f | 0x80
	return fmt.Sprintf("urn:uuid:%x-%x-%x-%x-%x", id[:4], id[4:6], id[6:8], id[8:10], id[10:])
}
