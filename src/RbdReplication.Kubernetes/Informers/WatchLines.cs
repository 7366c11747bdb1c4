using System.Buffers;
using System.IO.Pipelines;
using System.Text.Json;

namespace RbdReplication.Kubernetes.Informers;

/// <summary>The lines of one watch response, each a JSON object with a type and an object.</summary>
internal sealed class WatchLines<T>(WatchedResource<T> resource, Stream stream) : IAsyncDisposable where T : class
{
    private readonly PipeReader _reader = PipeReader.Create(stream);

    /// <returns>
    /// The next event, or null at the end of the stream. What follows the last line break is half an event: the
    /// connection broke inside it, and the server will send it again.
    /// </returns>
    /// <exception cref="JsonException">A complete line is not a watch event; the next call reads the line after it.</exception>
    public async ValueTask<WatchEvent<T>?> ReadAsync(CancellationToken cancellation)
    {
        while (true)
        {
            var result = await _reader.ReadAsync(cancellation).ConfigureAwait(false);
            var buffer = result.Buffer;
            if (buffer.PositionOf((byte)'\n') is { } end)
            {
                var line = buffer.Slice(0, end);
                try
                {
                    if (!IsBlank(line))
                        return resource.ReadEvent(line);
                }
                finally
                {
                    _reader.AdvanceTo(buffer.GetPosition(1, end));
                }
            }
            else
            {
                _reader.AdvanceTo(buffer.Start, buffer.End);
                if (result.IsCompleted)
                    return null;
            }
        }
    }

    public ValueTask DisposeAsync() => _reader.CompleteAsync();

    private static bool IsBlank(ReadOnlySequence<byte> line) => line.Length == 0 || (line.Length == 1 && line.FirstSpan[0] == '\r');
}
