//! Tools in each dialect: what is sent, and what comes back in whatever pieces.

use notebook_core::{
    ErrorKind, Secret,
    chat::{
        ChatMessage, ChatModel, ChatRequest, ChatRole, FinishReason, ToolCall, ToolChoice,
        ToolSpec,
        anthropic::{AnthropicChat, AnthropicConfig},
        google::{GoogleChat, GoogleConfig},
        ollama::{OllamaChat, OllamaConfig},
        openai::{OpenAiChat, OpenAiConfig},
    },
};
use serde_json::{Value, json};

use crate::{
    Heard, hear, http, message,
    server::{Reply, Server, events},
    short,
};

fn schema() -> Value {
    json!({"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]})
}

/// A conversation with a call, its result, and a further question.
fn conversation() -> ChatRequest {
    let call = |id: &str, arguments: &str| ToolCall {
        id: id.to_owned(),
        name: "get_weather".to_owned(),
        arguments: arguments.to_owned(),
    };
    let (one, two) = (call("id_1", "{\"city\":\"Paris\"}"), call("made_call_2", "no json"));
    ChatRequest {
        messages: vec![
            message(ChatRole::System, "Be brief."),
            message(ChatRole::User, "Paris and Rome?"),
            ChatMessage::assistant("", vec![one.clone(), two.clone()]),
            ChatMessage::tool(&one, "sunny"),
            ChatMessage::tool(&two, "bad arguments"),
        ],
        tools: vec![ToolSpec {
            name: "get_weather".to_owned(),
            description: "The weather.".to_owned(),
            parameters: schema(),
        }],
        ..ChatRequest::default()
    }
}

fn openai(server: &Server) -> OpenAiChat {
    let config = OpenAiConfig { timeouts: short(), ..OpenAiConfig::new(server.base.clone(), "m") };
    OpenAiChat::new(http(), config).unwrap()
}

fn ollama(server: &Server) -> OllamaChat {
    let base_url = server.base.clone();
    let config = OllamaConfig { timeouts: short(), base_url, ..OllamaConfig::new("m") };
    OllamaChat::new(http(), config).unwrap()
}

fn google(server: &Server) -> GoogleChat {
    let base_url = server.base.clone();
    let config =
        GoogleConfig { timeouts: short(), base_url, ..GoogleConfig::new("m", Secret::new("k")) };
    GoogleChat::new(http(), config).unwrap()
}

fn anthropic(server: &Server) -> AnthropicChat {
    let base_url = server.base.clone();
    let config = AnthropicConfig {
        timeouts: short(),
        base_url,
        ..AnthropicConfig::new("m", Secret::new("k"))
    };
    AnthropicChat::new(http(), config).unwrap()
}

fn said(heard: &Heard) -> Vec<(&str, &str, &str)> {
    heard.calls.iter().map(|c| (c.id.as_str(), c.name.as_str(), c.arguments.as_str())).collect()
}

const DONE: &str = r#"{"choices":[{"index":0,"delta":{"content":"ok"},"finish_reason":"stop"}]}"#;

#[tokio::test]
async fn c1_openai_is_offered_tools_as_documented() {
    let server = Server::always(Reply::sse().bytes(events(&[DONE, "[DONE]"])).end()).await;
    for (choice, sent) in [
        (ToolChoice::Auto, Value::Null),
        (ToolChoice::None, json!("none")),
        (ToolChoice::Required, json!("required")),
        (
            ToolChoice::Named("get_weather".into()),
            json!({"type": "function", "function": {"name": "get_weather"}}),
        ),
    ] {
        let request = ChatRequest { tool_choice: choice, ..conversation() };
        hear(&openai(&server), request).await.unwrap();
        assert_eq!(server.seen().last().unwrap().body["tool_choice"], sent);
    }
    let body = &server.seen()[0].body;
    let function = |arguments: &str| json!({"name": "get_weather", "arguments": arguments});
    let expected = json!([
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Paris and Rome?"},
        {"role": "assistant", "content": null, "tool_calls": [
            {"id": "id_1", "type": "function", "function": function("{\"city\":\"Paris\"}")},
            {"id": "made_call_2", "type": "function", "function": function("no json")},
        ]},
        {"role": "tool", "content": "sunny", "tool_call_id": "id_1"},
        {"role": "tool", "content": "bad arguments", "tool_call_id": "made_call_2"},
    ]);
    assert_eq!(body["messages"], expected);
    let function =
        json!({"name": "get_weather", "description": "The weather.", "parameters": schema()});
    assert_eq!(body["tools"], json!([{"type": "function", "function": function}]));
}

const BEGIN: &str = r#"{"choices":[{"index":0,"delta":{"role":"assistant","content":null,"tool_calls":[{"index":0,"id":"call_a","type":"function","function":{"name":"get_weather","arguments":""}}]}}]}"#;
const MORE: &str = r#"{"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":"{\"city\":"}}]}}]}"#;
const REST: &str = r#"{"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":"\"Paris 🐝\"}"}}]}}]}"#;
const SECOND: &str = r#"{"choices":[{"index":0,"delta":{"tool_calls":[{"index":1,"id":"call_b","type":"function","function":{"name":"get_weather","arguments":"{\"city\":\"Rome\"}"}}]}}]}"#;
const ASKED: &str = r#"{"choices":[{"index":0,"delta":{},"finish_reason":"tool_calls"}]}"#;

#[tokio::test]
async fn c1_openai_calls_are_read_in_any_pieces() {
    let first = ("call_a", "get_weather", "{\"city\":\"Paris 🐝\"}");
    let second = ("call_b", "get_weather", "{\"city\":\"Rome\"}");
    let stop = ASKED.replace("tool_calls", "stop");
    for size in [1, 7, 5000] {
        for end in [ASKED, &stop] {
            let body = events(&[BEGIN, MORE, REST, SECOND, end, "[DONE]"]);
            let server = Server::always(Reply::sse().pieces(body, size).end()).await;
            let heard = hear(&openai(&server), conversation()).await.unwrap();
            assert_eq!(said(&heard), [first, second]);
            assert_eq!(heard.finish, Some(FinishReason::ToolCalls));
        }
    }
    // Arguments as an object, without an index and an id.
    let whole = r#"{"choices":[{"delta":{"content":"Let me see.","tool_calls":[{"function":{"name":"get_weather","arguments":{"city":"Rome"}}}]},"finish_reason":"stop"}]}"#;
    let server = Server::always(Reply::sse().bytes(events(&[whole])).end()).await;
    let heard = hear(&openai(&server), conversation()).await.unwrap();
    assert_eq!(said(&heard), [("made_call_3", "get_weather", "{\"city\":\"Rome\"}")]);
    assert_eq!(heard.text, "Let me see.");
}

/// Z9: half a call is never handed out.
#[tokio::test]
async fn z9_openai_half_a_call_is_an_error() {
    let nameless = BEGIN.replace("\"name\":\"get_weather\",", "");
    let renamed = MORE.replace("\"arguments\"", "\"name\":\"other\",\"arguments\"");
    let wrong = MORE.replace("\"index\":0,\"function\"", "\"index\":-1,\"function\"");
    for (data, kind) in [
        (vec![BEGIN, MORE], ErrorKind::Unavailable),
        (vec![BEGIN, MORE, REST], ErrorKind::Unavailable),
        (vec![BEGIN, MORE, "[DONE]"], ErrorKind::Unavailable),
        (vec![ASKED, "[DONE]"], ErrorKind::Protocol),
        (vec![&nameless, MORE, REST, ASKED, "[DONE]"], ErrorKind::Protocol),
        (vec![BEGIN, &renamed], ErrorKind::Protocol),
        (vec![BEGIN, &wrong], ErrorKind::Protocol),
    ] {
        let server = Server::always(Reply::sse().bytes(events(&data)).end()).await;
        let heard = hear(&openai(&server), conversation()).await.unwrap();
        assert_eq!(said(&heard), [], "{data:?}");
        assert_eq!(heard.error.unwrap().kind(), kind, "{data:?}");
    }
    // The limit of tokens within the second call: the first is whole.
    let length = ASKED.replace("tool_calls", "length");
    let half = SECOND.replace("\\\"Rome\\\"}", "\\\"Ro");
    let body = events(&[BEGIN, MORE, REST, &half, &length, "[DONE]"]);
    let server = Server::always(Reply::sse().bytes(body).end()).await;
    let heard = hear(&openai(&server), conversation()).await.unwrap();
    assert_eq!((heard.calls.len(), heard.finish), (1, Some(FinishReason::Length)));
}

/// Z9: many calls, and arguments without end.
#[tokio::test]
async fn z9_openai_calls_are_bounded() {
    let many = |count: usize| {
        let calls = (0..count).map(|at| {
            let function = json!({"name": "get_weather", "arguments": "{}"});
            let call = json!({"index": at * 1000, "id": format!("c{at}"), "function": function});
            format!("data: {}\n\n", json!({"choices": [{"delta": {"tool_calls": [call]}}]}))
        });
        format!("{}data: {ASKED}\n\n", calls.collect::<String>())
    };
    let server = Server::always(Reply::sse().bytes(many(300)).end()).await;
    assert_eq!(hear(&openai(&server), conversation()).await.unwrap().calls.len(), 300);
    let long = MORE.replace("{\\\"city\\\":", &"x".repeat(8 << 10));
    let endless = format!("{}{}", events(&[BEGIN]), events(&vec![long.as_str(); 200]));
    for body in [many(600), endless] {
        let server = Server::always(Reply::sse().bytes(body).hang()).await;
        let error = hear(&openai(&server), conversation()).await.unwrap().error.unwrap();
        assert_eq!(error.kind(), ErrorKind::TooLarge);
    }
}

#[tokio::test]
async fn c1_servers_without_tools_say_so() {
    for (status, words) in [
        (500, "tools param requires --jinja flag"),
        (400, "registry.ollama.ai/library/m does not support tools"),
    ] {
        let body = json!({"error": {"message": words}});
        let server = Server::always(Reply::json(status, &body)).await;
        let error = hear(&openai(&server), conversation()).await.unwrap_err();
        assert_eq!((error.kind(), error.is_retryable()), (ErrorKind::Unsupported, false));
    }
    let body = json!({"error": "registry.ollama.ai/library/m does not support tools"});
    let server = Server::always(Reply::json(400, &body)).await;
    let error = hear(&ollama(&server), conversation()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    // What is known beforehand is not asked.
    let config = OpenAiConfig { tools: false, ..OpenAiConfig::new(server.base.clone(), "m") };
    let model = OpenAiChat::new(http(), config).unwrap();
    let error = hear(&model, conversation()).await.unwrap_err();
    assert_eq!((error.kind(), server.seen().len()), (ErrorKind::Unsupported, 1));
}

#[tokio::test]
async fn c1_ollama_is_offered_tools_and_its_calls_are_read() {
    let call = json!({"function": {"name": "get_weather", "arguments": {"city": "Rome"}}});
    let lines = [
        json!({"message": {"role": "assistant", "content": "", "tool_calls": [call, call]}, "done": false}),
        json!({"message": {"role": "assistant", "content": ""}, "done": true, "done_reason": "stop", "prompt_eval_count": 9, "eval_count": 2}),
    ];
    let body: String = lines.iter().map(|line| format!("{line}\n")).collect();
    for size in [1, 5000] {
        let server = Server::always(Reply::ndjson().pieces(&body, size).end()).await;
        let heard = hear(&ollama(&server), conversation()).await.unwrap();
        let arguments = "{\"city\":\"Rome\"}";
        assert_eq!(
            said(&heard),
            [("made_call_3", "get_weather", arguments), ("made_call_4", "get_weather", arguments)]
        );
        assert_eq!((heard.finish, heard.tokens()), (Some(FinishReason::ToolCalls), (9, 2)));
        let sent = &server.seen()[0].body;
        let function =
            |arguments: Value| json!({"function": {"name": "get_weather", "arguments": arguments}});
        assert_eq!(
            sent["messages"].as_array().unwrap()[2..],
            [
                json!({"role": "assistant", "content": "", "tool_calls": [
                    function(json!({"city": "Paris"})), function(json!({"arguments": "no json"}))]}),
                json!({"role": "tool", "content": "sunny", "tool_name": "get_weather"}),
                json!({"role": "tool", "content": "bad arguments", "tool_name": "get_weather"}),
            ]
        );
        let function =
            json!({"name": "get_weather", "description": "The weather.", "parameters": schema()});
        assert_eq!(sent["tools"], json!([{"type": "function", "function": function}]));
    }
    // Cut before the last line, and of another type.
    let first = format!("{}\n", lines[0]);
    let wrong = first.replace("{\"city\":\"Rome\"}", "7");
    for (body, kind) in [(first, ErrorKind::Unavailable), (wrong, ErrorKind::Protocol)] {
        let server = Server::always(Reply::ndjson().bytes(body).end()).await;
        let heard = hear(&ollama(&server), conversation()).await.unwrap();
        assert_eq!(said(&heard), []);
        assert_eq!(heard.error.unwrap().kind(), kind);
    }
    // There is no choice in the dialect.
    let server = Server::always(Reply::ndjson().bytes(&body).end()).await;
    let never = ChatRequest { tool_choice: ToolChoice::None, ..conversation() };
    hear(&ollama(&server), never).await.unwrap();
    assert_eq!(server.seen()[0].body.get("tools"), None);
    let must = ChatRequest { tool_choice: ToolChoice::Required, ..conversation() };
    let error = hear(&ollama(&server), must).await.unwrap_err();
    assert_eq!(
        (error.kind(), error.context("field")),
        (ErrorKind::Unsupported, Some("tool_choice"))
    );
}

#[tokio::test]
async fn c1_ollama_says_what_its_models_can() {
    for (capabilities, tools) in [
        (json!(["completion"]), false),
        (json!(["completion", "tools"]), true),
        (Value::Null, true),
    ] {
        let show = json!({"model_info": {}, "capabilities": capabilities});
        let server = Server::always(Reply::json(200, &show)).await;
        let config = OllamaConfig { base_url: server.base.clone(), ..OllamaConfig::new("m") };
        let model = OllamaChat::connect(http(), config).await.unwrap();
        assert_eq!(model.info().tools, tools, "{show}");
    }
}

#[tokio::test]
async fn c1_google_is_offered_tools_and_its_calls_are_read() {
    let part =
        |city: &str| json!({"functionCall": {"name": "get_weather", "args": {"city": city}}});
    let mut signed = part("Paris");
    signed["thoughtSignature"] = json!("c2ln");
    let mut named = part("Rome");
    named["functionCall"]["id"] = json!("g1");
    let event = json!({"candidates": [{"content": {"parts": [signed, named, part("Oslo")]}, "finishReason": "STOP"}]});
    let body = events(&[&event.to_string()]);
    let server = Server::always(Reply::sse().pieces(&body, 9).end()).await;
    let heard = hear(&google(&server), conversation()).await.unwrap();
    let ids: Vec<&str> = heard.calls.iter().map(|call| call.id.as_str()).collect();
    assert_eq!(ids, ["#signature=c2ln", "g1", "made_call_5"]);
    assert_eq!(heard.calls[2].arguments, "{\"city\":\"Oslo\"}");
    assert_eq!(heard.finish, Some(FinishReason::ToolCalls));
    let sent = &server.seen()[0].body;
    let declaration = json!({"name": "get_weather", "description": "The weather.", "parametersJsonSchema": schema()});
    assert_eq!(sent["tools"], json!([{"functionDeclarations": [declaration]}]));
    assert_eq!(sent.get("toolConfig"), None);
    let result = |text: &str| json!({"name": "get_weather", "response": {"result": text}});
    let mut known = result("sunny");
    known["id"] = json!("id_1");
    assert_eq!(
        sent["contents"].as_array().unwrap()[1..],
        [
            json!({"role": "model", "parts": [
                {"functionCall": {"id": "id_1", "name": "get_weather", "args": {"city": "Paris"}}},
                {"functionCall": {"name": "get_weather", "args": {"arguments": "no json"}}}]}),
            json!({"role": "user", "parts": [
                {"functionResponse": known}, {"functionResponse": result("bad arguments")}]}),
        ]
    );
    // What was signed goes back with its call.
    let mut request = conversation();
    request.messages.push(ChatMessage::assistant("", vec![heard.calls[0].clone()]));
    request.messages.push(ChatMessage::tool(&heard.calls[0], "rain"));
    for (choice, config) in [
        (ToolChoice::None, json!({"mode": "NONE"})),
        (ToolChoice::Required, json!({"mode": "ANY"})),
        (
            ToolChoice::Named("get_weather".into()),
            json!({"mode": "ANY", "allowedFunctionNames": ["get_weather"]}),
        ),
    ] {
        let request = ChatRequest { tool_choice: choice, ..request.clone() };
        hear(&google(&server), request).await.unwrap();
        let sent = server.seen().last().unwrap().body.clone();
        assert_eq!(sent["toolConfig"], json!({"functionCallingConfig": config}));
        let call = json!({"functionCall": {"name": "get_weather", "args": {"city": "Paris"}}, "thoughtSignature": "c2ln"});
        assert_eq!(sent["contents"][3]["parts"], json!([call]));
    }
    // Without a reason, without a name, of another type.
    let open = event.to_string().replace(",\"finishReason\":\"STOP\"", "");
    let nameless = event.to_string().replace("\"name\":\"get_weather\"", "\"name\":\"\"");
    let wrong = event.to_string().replace("{\"city\":\"Rome\"}", "[7]");
    for (data, kind) in [
        (open, ErrorKind::Unavailable),
        (nameless, ErrorKind::Protocol),
        (wrong, ErrorKind::Protocol),
    ] {
        let server = Server::always(Reply::sse().bytes(events(&[&data])).end()).await;
        let heard = hear(&google(&server), conversation()).await.unwrap();
        assert_eq!(said(&heard), [], "{data}");
        assert_eq!(heard.error.unwrap().kind(), kind, "{data}");
    }
}

/// The events of an answer with one call, as documented.
pub(crate) fn anthropic_call() -> Vec<Value> {
    let piece = |text: &str| json!({"type": "content_block_delta", "index": 1, "delta": {"type": "input_json_delta", "partial_json": text}});
    vec![
        json!({"type": "message_start", "message": {"id": "msg_1", "usage": {"input_tokens": 9, "output_tokens": 1}}}),
        json!({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}),
        json!({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "I look."}}),
        json!({"type": "content_block_stop", "index": 0}),
        json!({"type": "content_block_start", "index": 1, "content_block": {"type": "tool_use", "id": "toolu_1", "name": "get_weather", "input": {}}}),
        piece(""),
        piece("{\"city\":"),
        piece(" \"Rome\"}"),
        json!({"type": "content_block_stop", "index": 1}),
        json!({"type": "message_delta", "delta": {"stop_reason": "tool_use", "stop_sequence": null}, "usage": {"output_tokens": 12}}),
        json!({"type": "message_stop"}),
    ]
}

fn sse(data: &[Value]) -> String {
    data.iter().map(|data| format!("event: {}\ndata: {data}\n\n", data["type"])).collect()
}

#[tokio::test]
async fn c1_anthropic_is_offered_tools_and_its_calls_are_read() {
    for size in [1, 5000] {
        let body = sse(&anthropic_call());
        let server = Server::always(Reply::sse().pieces(body, size).end()).await;
        let heard = hear(&anthropic(&server), conversation()).await.unwrap();
        assert_eq!(said(&heard), [("toolu_1", "get_weather", "{\"city\": \"Rome\"}")]);
        assert_eq!((heard.text.as_str(), heard.tokens()), ("I look.", (9, 12)));
        assert_eq!(heard.finish, Some(FinishReason::ToolCalls));
        let sent = &server.seen()[0].body;
        assert_eq!(
            sent["tools"],
            json!([{"name": "get_weather", "description": "The weather.", "input_schema": schema()}])
        );
        assert_eq!(sent["system"], "Be brief.");
        assert_eq!(
            sent["messages"],
            json!([
                {"role": "user", "content": [{"type": "text", "text": "Paris and Rome?"}]},
                {"role": "assistant", "content": [
                    {"type": "tool_use", "id": "id_1", "name": "get_weather", "input": {"city": "Paris"}},
                    {"type": "tool_use", "id": "made_call_2", "name": "get_weather", "input": {"arguments": "no json"}}]},
                {"role": "user", "content": [
                    {"type": "tool_result", "tool_use_id": "id_1", "content": "sunny"},
                    {"type": "tool_result", "tool_use_id": "made_call_2", "content": "bad arguments"}]},
            ])
        );
    }
    let server = Server::always(Reply::sse().bytes(sse(&anthropic_call())).end()).await;
    for (choice, sent) in [
        (ToolChoice::Auto, Value::Null),
        (ToolChoice::None, json!({"type": "none"})),
        (ToolChoice::Required, json!({"type": "any"})),
        (ToolChoice::Named("get_weather".into()), json!({"type": "tool", "name": "get_weather"})),
    ] {
        let request = ChatRequest { tool_choice: choice, ..conversation() };
        hear(&anthropic(&server), request).await.unwrap();
        assert_eq!(server.seen().last().unwrap().body["tool_choice"], sent);
    }
}

/// Z9: half a call is never handed out.
#[tokio::test]
async fn z9_anthropic_half_a_call_is_an_error() {
    let all = anthropic_call();
    let without = |gone: &[usize]| -> Vec<Value> {
        let kept = all.iter().enumerate().filter(|(at, _)| !gone.contains(at));
        kept.map(|(_, event)| event.clone()).collect()
    };
    let overloaded =
        json!({"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}});
    let mut nameless = all.clone();
    nameless[4]["content_block"]["name"] = json!("");
    for (data, kind) in [
        (all[..7].to_vec(), ErrorKind::Unavailable),
        (all[..9].to_vec(), ErrorKind::Unavailable),
        ([&all[..7], &[overloaded]].concat(), ErrorKind::Unavailable),
        // The block's end is missing, or its beginning.
        (without(&[8]), ErrorKind::Protocol),
        (without(&[4]), ErrorKind::Protocol),
        (without(&[4, 5, 6, 7]), ErrorKind::Protocol),
        (without(&[9]), ErrorKind::Unavailable),
        (nameless, ErrorKind::Protocol),
    ] {
        let server = Server::always(Reply::sse().bytes(sse(&data)).end()).await;
        let heard = hear(&anthropic(&server), conversation()).await.unwrap();
        assert_eq!(said(&heard), [], "{data:?}");
        assert_eq!(heard.error.unwrap().kind(), kind, "{data:?}");
    }
    let mut cut = without(&[7, 8]);
    cut[7]["delta"]["stop_reason"] = json!("max_tokens");
    let server = Server::always(Reply::sse().bytes(sse(&cut)).end()).await;
    let heard = hear(&anthropic(&server), conversation()).await.unwrap();
    assert_eq!((heard.calls.len(), heard.finish), (0, Some(FinishReason::Length)));
}
