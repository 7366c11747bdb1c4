using System.Globalization;

namespace RbdReplication.CephTests.Sandbox;

/// <summary>The memory of a running process, as a core dump would have it. Needs root.</summary>
public static class ProcessMemory
{
    private const int ChunkBytes = 4 * 1024 * 1024;

    /// <summary>How often each of these stands in the memory that the process can write to.</summary>
    public static int[] Count(int processId, params byte[][] wanted)
    {
        var counts = new int[wanted.Length];
        var overlap = wanted.Max(bytes => bytes.Length) - 1;
        var buffer = new byte[ChunkBytes + overlap];
        using var memory = File.OpenHandle($"/proc/{processId}/mem", options: FileOptions.None, share: FileShare.ReadWrite);
        foreach (var (start, end) in WritableRanges(processId))
        {
            for (var at = start; at < end; at += ChunkBytes)
            {
                var length = Read(memory, buffer.AsSpan(0, (int)Math.Min(buffer.Length, end - at)), at);
                for (var i = 0; i < wanted.Length; i++)
                    counts[i] += CountIn(buffer.AsSpan(0, length), wanted[i], ChunkBytes);
            }
        }
        return counts;
    }

    // 7f2c1c000000-7f2c1c021000 rw-p 00000000 00:00 0    [heap]
    private static List<(long Start, long End)> WritableRanges(int processId) =>
        [.. File.ReadLines($"/proc/{processId}/maps").Select(line => line.Split(' ')).Where(parts => parts[1].StartsWith("rw", StringComparison.Ordinal))
            .Select(parts => parts[0].Split('-')).Select(range => (Address(range[0]), Address(range[1])))];

    private static long Address(string text) => long.Parse(text, NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture);

    // What has been given back or was never touched cannot be read, and holds nothing.
    private static int Read(Microsoft.Win32.SafeHandles.SafeFileHandle memory, Span<byte> target, long at)
    {
        try
        {
            var length = 0;
            for (var more = 1; more > 0 && length < target.Length; length += more)
                more = RandomAccess.Read(memory, target[length..], at + length);
            return length;
        }
        catch (IOException)
        {
            return 0;
        }
    }

    // One that begins behind the limit is counted with the next chunk.
    private static int CountIn(ReadOnlySpan<byte> bytes, ReadOnlySpan<byte> wanted, int limit)
    {
        var count = 0;
        for (var at = 0; bytes[at..].IndexOf(wanted) is >= 0 and var next && at + next < limit; at += next + 1)
            count++;
        return count;
    }
}
