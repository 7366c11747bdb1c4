using System.Text.Json;

namespace RbdReplication.Tests.Page;

/// <summary>Reads a stream of server-sent events.</summary>
internal sealed class EventReader(HttpResponseMessage answer, StreamReader reader) : IDisposable
{
    public static async Task<EventReader> OpenAsync(HttpClient http)
    {
        var answer = await http.GetAsync(new Uri("/api/v1/events", UriKind.Relative), HttpCompletionOption.ResponseHeadersRead);
        Assert.Equal("text/event-stream", answer.EnsureSuccessStatusCode().Content.Headers.ContentType?.MediaType);
        return new EventReader(answer, new StreamReader(await answer.Content.ReadAsStreamAsync()));
    }

    /// <summary>The next event that is no sign of life; null at the end of the stream.</summary>
    public async Task<(string Name, JsonElement Data)?> NextAsync()
    {
        while (true)
        {
            if (await reader.ReadLineAsync() is not { } name)
                return null;
            var data = await reader.ReadLineAsync();
            Assert.Equal("", await reader.ReadLineAsync());
            Assert.StartsWith("event: ", name, StringComparison.Ordinal);
            Assert.StartsWith("data: ", data, StringComparison.Ordinal);
            if (name != "event: time")
                return (name["event: ".Length..], JsonDocument.Parse(data!["data: ".Length..]).RootElement);
        }
    }

    public void Dispose()
    {
        reader.Dispose();
        answer.Dispose();
    }
}
