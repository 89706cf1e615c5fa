use super::*;

fn told(path: &str, answers: Answers) -> serde_json::Value {
    let route = Route::new(path, answers, None, None, None).unwrap();
    serde_json::from_str(&metadata(&route)).unwrap()
}

#[test]
fn metadata_is_that_of_the_reference_site() {
    let field = |label: &str, required: bool| serde_json::json!({"type": "string", "required": required, "read_only": !required, "label": label});
    let obtain = serde_json::json!({
        "name": "Obtain Auth Token",
        "description": "",
        "renders": ["application/json"],
        "parses": ["application/x-www-form-urlencoded", "multipart/form-data", "application/json"],
        "actions": {"POST": {
            "username": field("Username", true),
            "password": field("Password", true),
            "token": field("Token", false),
        }},
    });
    assert_eq!(told("/a/", Answers::Obtain), obtain);
    let example = serde_json::json!({
        "name": "Example",
        "description": "",
        "renders": ["application/json"],
        "parses": ["application/json", "application/x-www-form-urlencoded", "multipart/form-data"],
    });
    assert_eq!(told("/a/", Answers::Whoami), example);
    let all = told("/a/", Answers::KnoxLogoutAll);
    assert_eq!(all["name"], "Logout All");
    assert_eq!(all["description"], LOGOUT_ALL);
    assert_eq!(told("/a/", Answers::ObtainEx)["name"], "Custom Auth Token");
}
