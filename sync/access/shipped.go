package access

import (
	"cmp"
	"strconv"
	"strings"
)

// shippedKey is a permission as Open WebUI ships it, and the oldest release in which it was
// seen.
type shippedKey struct {
	key   string
	on    bool
	since [3]int
}

// shipped gives the defaults that a server of this version falls back on for what its
// settings do not name. What a version did not have yet is not in them, and of a version
// that cannot be read nothing is known.
func shipped(version string) map[string]bool {
	out := map[string]bool{}
	have, ok := release(version)
	if !ok {
		return out
	}
	for _, s := range shippedKeys() {
		if compareReleases(have, s.since) >= 0 {
			out[s.key] = s.on
		}
	}
	return out
}

func compareReleases(a, b [3]int) int {
	return cmp.Or(cmp.Compare(a[0], b[0]), cmp.Compare(a[1], b[1]), cmp.Compare(a[2], b[2]))
}

// release reads the numbers of a version, whatever a fork has put behind them.
func release(version string) (out [3]int, ok bool) {
	parts := strings.SplitN(strings.TrimPrefix(version, "v"), ".", 3)
	if len(parts) < 3 {
		return out, false
	}
	for i, part := range parts {
		digits := strings.TrimLeft(part, "0123456789")
		n, err := strconv.Atoi(strings.TrimSuffix(part, digits))
		if err != nil || digits != "" && i < 2 {
			return out, false
		}
		out[i] = n
	}
	return out, true
}

func shippedKeys() []shippedKey {
	var out []shippedKey
	add := func(since [3]int, on bool, category, names string) {
		for name := range strings.FieldsSeq(names) {
			out = append(out, shippedKey{category + "." + name, on, since})
		}
	}
	oldest := [3]int{}
	add(oldest, false, "workspace", "models knowledge prompts tools")
	add([3]int{0, 6, 37}, false, "workspace", "models_import models_export prompts_import prompts_export tools_import tools_export")
	add([3]int{0, 8, 0}, false, "workspace", "skills")
	add([3]int{0, 10, 2}, false, "workspace", "skills_import skills_export")
	add([3]int{0, 12, 4}, false, "workspace", "models_hidden")
	add(oldest, false, "sharing", "public_models public_knowledge public_prompts public_tools public_notes")
	add([3]int{0, 6, 37}, false, "sharing", "models knowledge prompts tools notes")
	add([3]int{0, 8, 12}, false, "sharing", "skills public_skills")
	add([3]int{0, 9, 6}, false, "sharing", "public_calendars public_chats")
	add([3]int{0, 11, 4}, false, "sharing", "folders open_chats")
	add([3]int{0, 8, 12}, true, "access_grants", "allow_users")
	add([3]int{0, 11, 4}, true, "access_grants", "allow_groups")
	add(oldest, true, "chat", "controls valves system_prompt params file_upload delete delete_message continue_response regenerate_response"+
		" rate_response edit share export stt tts call multiple_models temporary")
	add([3]int{0, 8, 12}, true, "chat", "web_upload")
	add([3]int{0, 10, 2}, true, "chat", "import")
	add(oldest, false, "chat", "temporary_enforced")
	add([3]int{0, 6, 37}, false, "features", "api_keys")
	add(oldest, true, "features", "notes web_search image_generation code_interpreter")
	add([3]int{0, 6, 41}, true, "features", "channels folders")
	add([3]int{0, 12, 4}, false, "features", "encrypted_channels")
	add(oldest, false, "features", "direct_tool_servers")
	add([3]int{0, 7, 2}, true, "features", "memories")
	add([3]int{0, 9, 0}, false, "features", "automations")
	add([3]int{0, 9, 6}, true, "features", "calendar")
	add([3]int{0, 10, 2}, false, "features", "webhooks")
	add([3]int{0, 7, 2}, true, "settings", "interface")
	return out
}
