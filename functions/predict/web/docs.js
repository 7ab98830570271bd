// The manual: Swagger UI over the schema of this API.
"use strict";

SwaggerUIBundle({
  url: document.currentScript?.dataset.schema ?? "openapi.json",
  dom_id: "#manual",
  deepLinking: true,
  // A token that is entered here is forgotten with the page.
  persistAuthorization: false,
  // The validator is somebody else's service.
  validatorUrl: null,
});
