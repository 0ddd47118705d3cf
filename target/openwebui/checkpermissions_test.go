package openwebui_test

import (
	"testing"

	"groupsyncd/permission"
	"groupsyncd/providers"
	"groupsyncd/target/openwebui"
	"groupsyncd/target/openwebui/openwebuitest"
)

func TestDoctorComparesPermissionsWithThoseOfTheServer(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "", nil)
	w.finds(t, openwebui.Expect{Permissions: permission.Set{"workspace.models": true, "chat.call": false}}, "permissions", providers.OK, "is known", "")
	w.finds(t, openwebui.Expect{Permissions: permission.Set{"chat.file_uplaod": true}}, "permissions", providers.Warning, `did you mean "chat.file_upload"?`, "correct the permission set")
	w.finds(t, openwebui.Expect{Defaults: permission.Set{"next.year": true}}, "permissions", providers.Warning, `"next.year"`, "newer Open WebUI")
	w.finds(t, openwebui.Expect{Permissions: permission.Set{"chat.file_upload": true}}, "permissions", providers.Warning, "groups give nothing by them: chat.file_upload", "with these keys false")

	older := newWorld(t, "0.8.12", nil)
	older.finds(t, openwebui.Expect{Permissions: permission.Set{"features.webhooks": true}}, "permissions", providers.Warning,
		`Open WebUI 0.8.12 does not know the permission "features.webhooks" yet`, "newer Open WebUI")

	w.Inject(openwebuitest.Fault{Path: "/api/v1/users/default/permissions", Status: 500})
	w.finds(t, openwebui.Expect{Permissions: permission.Set{"chat.call": true}}, "permissions", providers.Failed, "500", "log")
}

func TestDoctorLeavesPermissionsThatNobodyNamesAlone(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "", nil)
	for _, f := range w.client.Check(t.Context(), openwebui.Expect{}) {
		if f.Check == "permissions" {
			t.Errorf("%+v", f)
		}
	}
	w.finds(t, openwebui.Expect{Permissions: permission.Set{"features.webhooks": true}, Defaults: permission.Set{"features.webhooks": false}}, "permissions", providers.OK, "is known", "")
	// A set that builds on the one for everybody, as in config.example.yaml.
	w.finds(t, openwebui.Expect{Permissions: permission.Set{"chat.file_upload": true}, Defaults: permission.Set{"chat.file_upload": true}}, "permissions", providers.OK, "is known", "")
	for _, f := range w.client.Check(t.Context(), openwebui.Expect{Permissions: permission.Set{"chat.call": true}, Defaults: permission.Set{"chat.call": false}}) {
		if f.Check == "permissions" && f.Level != providers.OK {
			t.Errorf("what we are about to take from everybody is said to be theirs: %+v", f)
		}
	}
}
