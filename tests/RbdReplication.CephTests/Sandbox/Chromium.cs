using System.Collections.Concurrent;
using System.Diagnostics;
using System.Net.WebSockets;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace RbdReplication.CephTests.Sandbox;

/// <summary>A headless Chromium with one page, driven by the DevTools protocol.</summary>
public sealed class Chromium : IAsyncDisposable
{
    private const string Listening = "DevTools listening on ";

    private readonly Process _process;
    private readonly string _profile;
    private readonly ClientWebSocket _socket = new();
    private readonly SemaphoreSlim _sending = new(1);
    private readonly ConcurrentDictionary<int, TaskCompletionSource<JsonNode>> _asked = new();
    private readonly ConcurrentQueue<string> _requests = new();
    private readonly ConcurrentQueue<string> _errors = new();
    private Task _reading = Task.CompletedTask;
    private Task _rest = Task.CompletedTask;
    private string? _session;
    private int _id;

    private Chromium(Process process, string profile)
    {
        _process = process;
        _profile = profile;
    }

    /// <summary>Addresses that the page has asked for.</summary>
    public IReadOnlyCollection<string> Requests => _requests;

    /// <summary>Errors of the page's script, and what its content security policy has kept it from.</summary>
    public IReadOnlyCollection<string> Errors => _errors;

    public static async Task<Chromium> StartAsync()
    {
        var profile = Directory.CreateTempSubdirectory("chromium-").FullName;
        var process = Process.Start(new ProcessStartInfo("chromium", [
            "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run", "--hide-scrollbars", "--disable-background-networking",
            "--remote-debugging-port=0", $"--user-data-dir={profile}", "about:blank",
        ])
        { RedirectStandardError = true, RedirectStandardOutput = true })!;
        var browser = new Chromium(process, profile);
        string? line;
        do
        {
            line = await process.StandardError.ReadLineAsync() ?? throw new InvalidOperationException("chromium has ended");
        }
        while (!line.StartsWith(Listening, StringComparison.Ordinal));
        browser._rest = Task.WhenAll(process.StandardError.ReadToEndAsync(), process.StandardOutput.ReadToEndAsync());
        await browser._socket.ConnectAsync(new Uri(line[Listening.Length..]), CancellationToken.None);
        browser._reading = browser.ReadAsync();
        var target = await browser.AskAsync("Target.createTarget", new { url = "about:blank" });
        var attached = await browser.AskAsync("Target.attachToTarget", new { targetId = $"{target["targetId"]}", flatten = true });
        browser._session = $"{attached["sessionId"]}";
        foreach (var domain in (string[])["Page", "Runtime", "Network", "Log", "Accessibility"])
            await browser.AskAsync(domain + ".enable", new { });
        return browser;
    }

    /// <summary>Opens an address.</summary>
    public Task OpenAsync(Uri address) => AskAsync("Page.navigate", new { url = address.ToString() });

    /// <summary>The value of an expression of the page's script, as JSON has it.</summary>
    public async Task<JsonNode?> ValueAsync(string expression)
    {
        var answer = await AskAsync("Runtime.evaluate", new { expression, returnByValue = true, awaitPromise = true });
        return answer["exceptionDetails"] is { } failure ? throw new InvalidOperationException($"{expression}: {failure}") : answer["result"]!["value"];
    }

    /// <summary>The text that an expression gives.</summary>
    public async Task<string> TextAsync(string expression) => $"{await ValueAsync(expression)}";

    /// <summary>Waits until an expression is true.</summary>
    public Task UntilAsync(string expression, string what) => Eventually.TrueAsync(
        async () => await ValueAsync($"!!({expression})") is JsonValue value && value.GetValue<bool>(), what);

    /// <summary>Presses a key.</summary>
    public async Task PressAsync(string key, int code, string text = "")
    {
        await AskAsync("Input.dispatchKeyEvent", new { type = "keyDown", key, windowsVirtualKeyCode = code, text });
        await AskAsync("Input.dispatchKeyEvent", new { type = "keyUp", key, windowsVirtualKeyCode = code });
    }

    /// <summary>Shows the page as a screen of that size does.</summary>
    public async Task ResizeAsync(int width, int height, bool isMobile = false, bool isDark = false)
    {
        await AskAsync("Emulation.setDeviceMetricsOverride", new { width, height, deviceScaleFactor = 1, mobile = isMobile });
        await AskAsync("Emulation.setEmulatedMedia", new { features = new[] { new { name = "prefers-color-scheme", value = isDark ? "dark" : "light" } } });
    }

    /// <summary>What a screen reader is told: role and name of everything that is not ignored.</summary>
    public async Task<IReadOnlyList<(string Role, string Name)>> AccessibleAsync()
    {
        var tree = await AskAsync("Accessibility.getFullAXTree", new { });
        return [.. tree["nodes"]!.AsArray().Where(node => node!["ignored"]?.GetValue<bool>() != true)
            .Select(node => ($"{node!["role"]?["value"]}", $"{node["name"]?["value"]}"))];
    }

    /// <summary>A picture of what is to be seen, as PNG.</summary>
    public async Task<byte[]> PictureAsync() => Convert.FromBase64String($"{(await AskAsync("Page.captureScreenshot", new { format = "png" }))["data"]}");

    private async Task<JsonNode> AskAsync(string method, object parameters)
    {
        var id = Interlocked.Increment(ref _id);
        var answer = _asked[id] = new(TaskCreationOptions.RunContinuationsAsynchronously);
        var message = JsonSerializer.SerializeToUtf8Bytes(
            _session is null ? new { id, method, @params = parameters } : (object)new { id, method, @params = parameters, sessionId = _session });
        await _sending.WaitAsync();
        try
        {
            await _socket.SendAsync(message, WebSocketMessageType.Text, endOfMessage: true, CancellationToken.None);
        }
        finally
        {
            _sending.Release();
        }
        return await answer.Task;
    }

    private async Task ReadAsync()
    {
        var buffer = new byte[64 * 1024];
        try
        {
            while (true)
            {
                using var message = new MemoryStream();
                ValueWebSocketReceiveResult part;
                do
                {
                    part = await _socket.ReceiveAsync(buffer.AsMemory(), CancellationToken.None);
                    message.Write(buffer, 0, part.Count);
                }
                while (!part.EndOfMessage);
                if (part.MessageType == WebSocketMessageType.Close)
                    break;
                Take(JsonNode.Parse(message.ToArray())!);
            }
        }
        catch (Exception e) when (e is WebSocketException or ObjectDisposedException or OperationCanceledException)
        {
            // The browser has been stopped.
        }
        foreach (var asked in _asked.Values)
            asked.TrySetException(new InvalidOperationException("chromium has ended"));
    }

    private void Take(JsonNode message)
    {
        if (message["id"] is { } id && _asked.TryRemove(id.GetValue<int>(), out var asked))
        {
            if (message["error"] is { } error)
                asked.SetException(new InvalidOperationException(error.ToJsonString()));
            else
                asked.SetResult(message["result"]!);
            return;
        }
        switch ($"{message["method"]}")
        {
            case "Network.requestWillBeSent":
                _requests.Enqueue($"{message["params"]!["request"]!["url"]}");
                break;
            case "Runtime.exceptionThrown":
                _errors.Enqueue($"{message["params"]!["exceptionDetails"]!.ToJsonString()}");
                break;
            // That an address does not answer is no error of the page.
            case "Log.entryAdded" when $"{message["params"]!["entry"]!["source"]}" != "network":
                _errors.Enqueue($"{message["params"]!["entry"]!["text"]}");
                break;
        }
    }

    public async ValueTask DisposeAsync()
    {
        _process.Kill(entireProcessTree: true);
        await _process.WaitForExitAsync();
        await Task.WhenAll(_reading, _rest);
        _socket.Dispose();
        _sending.Dispose();
        _process.Dispose();
        await Eventually.TrueAsync(
            () =>
            {
                // Its helpers write on for a moment.
                Directory.Delete(_profile, recursive: true);
                return Task.FromResult(true);
            },
            "the profile is removed");
    }
}
