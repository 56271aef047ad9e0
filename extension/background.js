// Opens the window of a selection: from the context menu, the button in the toolbar, or the keyboard. The browser
// then lets this extension read the one tab in which that happened (activeTab).
"use strict";

const MENU = "rewrite";
const SIZE = { width: 460, height: 680 };

chrome.runtime.onInstalled.addListener(() => {
  chrome.contextMenus.create({
    id: MENU,
    title: chrome.i18n.getMessage("menu"),
    contexts: ["selection", "editable"],
  });
});

function open(tab, frame) {
  const place = new URLSearchParams({ tab: tab.id, frame });
  return chrome.windows.create({ url: `rewrite.html?${place}`, type: "popup", ...SIZE });
}

chrome.contextMenus.onClicked.addListener((info, tab) => open(tab, info.frameId));
chrome.action.onClicked.addListener((tab) => open(tab, 0));
