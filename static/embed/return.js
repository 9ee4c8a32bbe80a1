// The end of a sign-in: tells the frame that has opened this window, which is a page of our own or hears nothing.
const {state, code} = document.querySelector('main').dataset;

if (window.opener) {
  window.opener.postMessage({type: 'tallylight-sign-in', state, code}, location.origin);
  window.close();
}
