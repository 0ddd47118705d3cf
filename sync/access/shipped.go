package access

import (
	"cmp"
	"strconv"
	"strings"
)

// shipped gives the defaults that a server of this version falls back on for what its
// settings do not name. Before 0.12.0 it did not, and of a version that cannot be read
// nothing is known.
func shipped(version string) map[string]bool {
	out := map[string]bool{}
	if !since(version, 0, 12, 0) {
		return out
	}
	add := func(on bool, category, names string) {
		for name := range strings.FieldsSeq(names) {
			out[category+"."+name] = on
		}
	}
	add(false, "workspace", "models knowledge prompts tools skills models_import models_export prompts_import prompts_export"+
		" tools_import tools_export skills_import skills_export")
	add(false, "sharing", "models public_models knowledge public_knowledge prompts public_prompts tools public_tools skills public_skills"+
		" notes public_notes folders public_chats open_chats public_calendars")
	add(true, "access_grants", "allow_users allow_groups")
	add(true, "chat", "controls valves system_prompt params file_upload web_upload delete delete_message continue_response regenerate_response"+
		" rate_response edit share export import stt tts call multiple_models temporary")
	add(false, "chat", "temporary_enforced")
	add(true, "features", "notes folders channels web_search image_generation code_interpreter memories calendar")
	add(false, "features", "api_keys direct_tool_servers automations webhooks")
	add(true, "settings", "interface")
	if since(version, 0, 12, 4) {
		add(false, "workspace", "models_hidden")
		add(false, "features", "encrypted_channels")
	}
	return out
}

// since reports whether a version is a release or a later one.
func since(version string, major, minor, patch int) bool {
	have, ok := release(version)
	return ok && cmp.Or(cmp.Compare(have[0], major), cmp.Compare(have[1], minor), cmp.Compare(have[2], patch)) >= 0
}

// release reads the numbers of a version, whatever a fork has put behind them.
func release(version string) (out [3]int, ok bool) {
	parts := strings.SplitN(strings.TrimPrefix(version, "v"), ".", 3)
	if len(parts) < 3 {
		return out, false
	}
	for i, part := range parts {
		rest := strings.TrimLeft(part, "0123456789")
		n, err := strconv.Atoi(strings.TrimSuffix(part, rest))
		if err != nil || rest != "" && i < 2 {
			return out, false
		}
		out[i] = n
	}
	return out, true
}
