use super::*;
use crate::web::input::inputs;

fn requests(text: &str) -> Vec<String> {
    let site = Site::parse("http://192.0.2.7/app/").unwrap();
    let operations = Description::parse(text.as_bytes()).unwrap().operations(&site);
    operations
        .leads
        .iter()
        .map(|lead| {
            let request = &lead.request;
            let values: Vec<String> = inputs(request)
                .iter()
                .map(|input| format!("{input}={}", input.value(request)))
                .collect();
            format!("{} {} {}", request.method, request.target(), values.join(" "))
        })
        .collect()
}

#[test]
fn every_place_of_an_operation_is_an_input() {
    let text = r##"
openapi: 3.1.0
servers: [{url: 'https://elsewhere.example/{stage}/api', variables: {stage: {default: v1}}}]
paths:
  /orders/{name}/lines/{line}.json:
    parameters:
      - {name: name, in: path, required: true, schema: {type: string}}
      - {$ref: '#/components/parameters/Line'}
    get:
      parameters:
        - {name: sort, in: query, schema: {enum: [price, name]}}
        - {name: X-Shop, in: header, schema: {type: string, example: north}}
        - {name: Authorization, in: header, schema: {type: string}}
        - {name: lang, in: cookie, schema: {default: en}}
        - {name: filter, in: query, content: {application/json: {schema: {properties: {a: {type: integer}}}}}}
    delete: {}
  /orders:
    post:
      requestBody:
        content:
          application/json: {schema: {$ref: '#/components/schemas/Order'}}
          application/x-www-form-urlencoded: {schema: {properties: {item: {type: string, example: pear}}}}
          application/xml: {schema: {$ref: '#/components/schemas/Order'}}
  /pictures:
    put:
      requestBody:
        content:
          multipart/form-data: {schema: {properties: {picture: {type: string, format: binary}, title: {type: string}}}}
  /session/logout: {post: {}}
components:
  parameters:
    Line: {name: line, in: path, schema: {type: integer, minimum: 4}}
  schemas:
    Order: {properties: {item: {example: pear}, to: {properties: {mail: {format: email}}}}}
"##;
    assert_eq!(
        requests(text),
        [
            "GET /v1/api/orders/vedette/lines/4.json?sort=price&filter=%7B%22a%22%3A1%7D query:sort=price \
             query:filter={\"a\":1} path:4=vedette cookie:lang=en header:X-Shop=north",
            "POST /v1/api/orders json:/item=pear json:/to/mail=vedette@vedette.example",
            "POST /v1/api/orders form:item=pear",
            "POST /v1/api/orders xml:item=pear xml:mail=vedette@vedette.example",
            "PUT /v1/api/pictures multipart:picture=vedette filename:picture=vedette.txt multipart:title=vedette",
            "DELETE /v1/api/orders/vedette/lines/4.json path:4=vedette",
        ]
    );
}

#[test]
fn the_generation_before_is_read_as_well() {
    let text = r##"{"swagger": "2.0", "basePath": "/v2", "consumes": ["application/json"], "paths": {
        "/find": {"get": {"parameters": [{"name": "q", "in": "query", "type": "string", "default": "pear"}]}},
        "/order": {"post": {"parameters": [{"name": "b", "in": "body", "schema": {"$ref": "#/definitions/O"}}]}},
        "/file": {"post": {"parameters": [{"name": "f", "in": "formData", "type": "file"}, {"name": "t", "in": "formData", "type": "string"}]}},
        "/form": {"post": {"parameters": [{"name": "n", "in": "formData", "type": "integer"}]}},
        "/x": {"post": {"consumes": ["text/xml"], "parameters": [{"name": "b", "in": "body", "schema": {"$ref": "#/definitions/O"}}]}}},
        "definitions": {"O": {"properties": {"item": {"type": "string"}}}}}"##;
    assert_eq!(
        requests(text),
        [
            "GET /v2/find?q=pear query:q=pear",
            "POST /v2/file multipart:f=vedette filename:f=vedette.txt multipart:t=vedette",
            "POST /v2/form form:n=1",
            "POST /v2/order json:/item=vedette",
            "POST /v2/x xml:item=vedette",
        ]
    );
}

#[test]
fn a_path_cannot_leave_its_line_or_its_server() {
    let text = r##"{"openapi": "3.0.0", "servers": [{"url": "//other.example/b"}], "paths": {
        "/a b?c\r\nHost: x": {"get": {}}, "@other.example/x": {"get": {}}, "/{odd": {"get": {}}}}"##;
    assert_eq!(
        requests(text),
        [
            "GET /b/a%20b%3Fc%0D%0AHost:%20x ",
            "GET /b/1 path:2=1",
            "GET /b@other.example/x ",
        ]
    );
}

#[test]
fn too_many_operations_are_counted() {
    let paths: Vec<String> = (0..OPERATIONS_LIMIT + 7)
        .map(|n| format!("\"/p{n}\": {{\"get\": {{}}}}"))
        .collect();
    let text = format!("{{\"openapi\": \"3.0.0\", \"paths\": {{{}}}}}", paths.join(","));
    let site = Site::parse("http://192.0.2.7/").unwrap();
    let operations = Description::parse(text.as_bytes()).unwrap().operations(&site);
    assert_eq!((operations.leads.len(), operations.unread), (OPERATIONS_LIMIT, 7));
}
