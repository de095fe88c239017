(function () {
  function ask() {
    var request = new XMLHttpRequest();
    request.onload = function () {
      if (request.status !== 200) return;
      if (!request.response || !request.response.title) return location.reload();
      document.title = request.response.title;
      document.querySelector("main").innerHTML = request.response.querySelector("main").innerHTML;
    };
    request.open("GET", location.href);
    request.responseType = "document";
    request.timeout = 20000;
    request.send();
  }
  setInterval(ask, 30000);
})();
